"""SHA-256 digests of an export's files, because TensorFlow has no checksum of the graph."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

FILE = Path("assets.extra") / "SHA256SUMS"  # for `sha256sum --check`, run in the version directory
LINE = re.compile(rb"\\?([0-9a-f]{64})  (.+)", re.DOTALL)


def write_digests(path: Path) -> None:
    """Write the digests of all files in a version directory.

    Args:
        path: The version directory.
    """
    lines = [_format_line(name, file) for name, file in _list_files(path).items()]
    (path / FILE).write_bytes(b"".join(line + b"\n" for line in lines))


def find_changed_files(path: Path) -> Iterator[str]:
    """Yield a problem for each listed file that is changed or missing; none without digests."""
    lines, files = _load_lines(path), _list_files(path)
    if lines == [b""]:
        yield f"Expected a digest for each file. Received: none in {FILE}"
        return
    for line in lines or ():
        match = LINE.fullmatch(line)
        name = match[2] if match else line
        if not match or name not in files or _format_line(name, files[name]) != line:
            yield (
                f"Expected {_to_printable(name)!r} as it was exported. "
                "Received: a file with different contents, or no file"
            )


def find_unlisted_files(path: Path) -> Iterator[str]:
    """Yield a remark for each file without a digest, or one remark if there are no digests."""
    lines = _load_lines(path)
    if lines is None:
        yield f"no digests ({FILE.as_posix()}): changed or damaged files cannot be detected"
        return
    listed = {match[2] for match in map(LINE.fullmatch, lines) if match}
    for name in sorted(_list_files(path).keys() - listed):
        yield f"not part of the export: {_to_printable(name)}"


def _load_lines(path: Path) -> list[bytes] | None:
    """Load the lines of the digests file as bytes (file names are bytes); None without a file."""
    file = path / FILE
    return file.read_bytes().removesuffix(b"\n").split(b"\n") if file.exists() else None


def _list_files(path: Path) -> dict[bytes, Path]:
    """Return all files except the digests file by name, escaped as in the output of `sha256sum`."""
    files = {}
    for file in sorted(path.rglob("*")):
        if file.is_file() and file != path / FILE:
            name = os.fsencode(file.relative_to(path).as_posix())
            for character, code in ((b"\\", rb"\\"), (b"\n", rb"\n"), (b"\r", rb"\r")):
                name = name.replace(character, code)
            files[name] = file
    return files


def _format_line(name: bytes, file: Path) -> bytes:
    """Return `digest  name`; a leading backslash marks a name with escaped characters."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return b"\\" * (b"\\" in name) + digest.encode() + b"  " + name


def _to_printable(name: bytes) -> str:
    """Decode a file name that may not be valid UTF-8."""
    return name.decode(errors="backslashreplace")
