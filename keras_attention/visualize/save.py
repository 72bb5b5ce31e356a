"""Write files atomically, so that no reader ever gets an incomplete one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_attention.paths import to_local_path

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
PAGE_SUFFIXES = (".html", *PICTURE_SUFFIXES)


def to_picture_path(path: Any, suffixes: tuple[str, ...] = PICTURE_SUFFIXES) -> Path:
    """Return the path as a local `Path`; raise a ValueError if it has none of the suffixes."""
    is_path = isinstance(path, (str, os.PathLike))
    if not is_path or Path(path).suffix.lower() not in suffixes:
        raise ValueError(f"Expected `path` to end in one of {suffixes}. Received: path={path!r}")
    return to_local_path("path", path)


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure in the format of the path's suffix."""
    write_atomically(
        path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:].lower())
    )


def write_atomically(path: Path, write_to: Callable[[Path], Any]) -> None:
    """Call `write_to` with a temporary path in the same directory, then rename that to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_to(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
