"""Atomic publishing, because a server loads a numbered directory as soon as it appears."""

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

from keras_attention.export.versions.leftovers import remove_leftovers, temporary_directory
from keras_attention.export.versions.numbers import MAX_VERSION, parse_version

NAME_IN_USE = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def publish(directory: Path, write: Callable[[Path], None]) -> Path:
    """Write the next version of a served model.

    Args:
        directory: The model's directory, which holds versions 1, 2, …; created if missing.
        write: Function that writes the version to the path it receives. If it raises, everything
            is removed again, including parent directories that were created.

    Returns:
        pathlib.Path of the version.
    """
    created = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    remove_leftovers(directory)
    try:
        with temporary_directory(directory) as temporary:
            write(temporary)
            return _rename_to_next_version(temporary, directory)
    finally:
        # rmdir fails on the first directory that is not empty; it and those above it stay.
        with contextlib.suppress(OSError):
            for path in created:
                path.rmdir()


def _rename_to_next_version(temporary: Path, directory: Path) -> Path:
    """Rename to the next free version; retry if another process takes it first."""
    while True:
        number = _find_highest_version(directory) + 1
        if number > MAX_VERSION:
            raise ValueError(
                f"Expected versions below {MAX_VERSION}, the highest that a server can load, so "
                f"that there is a next one. Received: {directory / str(number - 1)}"
            )
        version = directory / str(number)
        try:
            os.rename(temporary, version)
        except OSError as error:
            if error.errno not in NAME_IN_USE:
                raise
        else:
            return version


def _find_highest_version(directory: Path) -> int:
    """Return the highest existing version number, or 0 if there is none."""
    return max((parse_version(entry.name) or 0 for entry in directory.iterdir()), default=0)
