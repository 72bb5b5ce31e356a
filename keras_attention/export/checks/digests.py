"""The SHA-256 of every file of an export: a server proves its weights, but not its graph, whole."""

import hashlib
import os
import re
from pathlib import Path

FILE = Path("assets.extra") / "SHA256SUMS"  # for `sha256sum --check`, in the version directory
LINE = re.compile(rb"\\?([0-9a-f]{64})  (.+)", re.DOTALL)


def write(path):
    """Writes the digests of all files in a version directory.

    Args:
        path: The directory.
    """
    lines = [_line(name, file) for name, file in _files(path).items()]
    (path / FILE).write_bytes(b"".join(line + b"\n" for line in lines))


def problems(path):
    """Yields which of the listed files are not what they were; nothing without digests."""
    written, files = _written(path), _files(path)
    if written == [b""]:
        yield f"Expected a digest for each file. Received: none in {FILE}"
        return
    for line in written or ():
        found = LINE.fullmatch(line)
        name = found[2] if found else line
        if not found or name not in files or _line(name, files[name]) != line:
            yield (
                f"Expected {_readable(name)!r} as it was exported. "
                "Received: other bytes, or no such file"
            )


def remarks(path):
    """Yields what is not known of a version directory's files, in words."""
    written = _written(path)
    if written is None:
        yield f"no digests ({FILE.as_posix()}): whether its files are whole is not known"
        return
    listed = {found[2] for found in map(LINE.fullmatch, written) if found}
    for name in sorted(_files(path).keys() - listed):
        yield f"not exported with it: {_readable(name)}"


def _written(path):
    """The lines of the digests' file, as bytes, like the names in them; None if there is none."""
    file = path / FILE
    return file.read_bytes().removesuffix(b"\n").split(b"\n") if file.exists() else None


def _files(path):
    """{name: file} of all files but that of the digests; the names as `sha256sum` writes them."""
    files = {}
    for file in sorted(path.rglob("*")):
        if file.is_file() and file != path / FILE:
            name = os.fsencode(file.relative_to(path).as_posix())
            for character, code in ((b"\\", rb"\\"), (b"\n", rb"\n"), (b"\r", rb"\r")):
                name = name.replace(character, code)
            files[name] = file
    return files


def _line(name, file):
    """`digest  name`; a backslash in front says that there are some in the name."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return b"\\" * (b"\\" in name) + digest.encode() + b"  " + name


def _readable(name):
    return name.decode(errors="backslashreplace")
