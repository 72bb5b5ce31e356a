"""Writes a figure so that nobody ever reads half of it."""

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
    """Writes to a temporary file beside `path`, which then takes its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        figure.savefig(temporary, format=path.suffix[1:].lower())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
