"""Writes files so that nobody ever reads half of one."""

import os
from pathlib import Path

SUFFIXES = (".png", ".svg", ".pdf")


def picture_path(path):
    """The path as a `Path`, if its suffix is that of a picture."""
    is_path = isinstance(path, (str, os.PathLike))
    if not is_path or Path(path).suffix.lower() not in SUFFIXES:
        raise ValueError(f"Expected `path` to end in one of {SUFFIXES}. Received: path={path!r}")
    return Path(path)


def save(figure, path):
    """Writes a figure as what the suffix says."""
    write(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:].lower()))


def write(path, write_to):
    """Calls `write_to` with a temporary path beside `path`; the file then takes its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_to(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
