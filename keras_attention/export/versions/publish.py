"""Atomic publishing, because a server loads a numbered directory as soon as it appears."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from keras_attention.export.versions.leftovers import make_temporary_name, remove_leftovers

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
    temporary = directory / make_temporary_name()
    try:
        write(temporary)
        return _rename_to_next_version(temporary, directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        # rmdir fails on the first directory that is not empty; it and those above it stay.
        with contextlib.suppress(OSError):
            for path in created:
                path.rmdir()


def _rename_to_next_version(temporary: Path, directory: Path) -> Path:
    """Rename to the next free version; retry if another process takes it first."""
    while True:
        version = directory / str(_find_highest_version(directory) + 1)
        try:
            os.rename(temporary, version)
        except OSError as error:
            if error.errno not in NAME_IN_USE:
                raise
        else:
            return version


def _find_highest_version(directory: Path) -> int:
    """Return the highest existing version number, or 0 if there is none."""
    names = (entry.name for entry in directory.iterdir())
    return max((int(name) for name in names if re.fullmatch("[0-9]+", name)), default=0)
