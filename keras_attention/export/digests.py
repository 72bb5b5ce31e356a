"""The SHA-256 of every file of an export: a server proves its weights, but not its graph, whole."""

import hashlib
from pathlib import Path

FILE = Path("assets.extra") / "SHA256SUMS"  # for `sha256sum --check`, in the version directory


def write(path):
    """Writes the digests of all files in a version directory.

    Args:
        path: The directory.
    """
    text = "".join(f"{line}\n" for line in _lines(path))
    (path / FILE).write_text(text, encoding="utf-8")


def problems(path):
    """Yields which files are not what they were; nothing of an export without digests."""
    if (path / FILE).exists():
        written = (path / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
        changed = {*written} ^ {*_lines(path)}
        for name in sorted({line.partition("  ")[2] for line in changed}):
            yield f"Expected {name!r} as it was exported. Received: other bytes, or no such file"


def _lines(path):
    """`digest  name` of each file but that of the digests."""
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if file.is_file() and name != FILE:
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            yield f"{digest}  {name.as_posix()}"
