"""A new version appears all at once, or not at all: TensorFlow Serving loads what it sees."""

import contextlib
import errno
import os
import re
import shutil

from keras_attention.export.versions import leftovers

TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def publish(directory, write):
    """Writes the next version of a served model.

    Args:
        directory: pathlib.Path of the model, with its versions 1, 2, … inside; made if need be.
        write: Function that fills the directory whose path it is given. If it raises, nothing
            remains, not even of the directories above that were made.

    Returns:
        pathlib.Path of the version.
    """
    new = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    leftovers.remove(directory)
    temporary = directory / leftovers.name()
    try:
        write(temporary)
        return _rename(temporary, directory)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with contextlib.suppress(OSError):  # one that is not empty stays, and those above it
            for path in new:
                path.rmdir()


def _rename(temporary, directory):
    """Renames to the next free version, and the one after if another process was faster."""
    while True:
        version = directory / str(_largest(directory) + 1)
        try:
            os.rename(temporary, version)
        except OSError as error:
            if error.errno not in TAKEN:
                raise
        else:
            return version


def _largest(directory):
    """The largest version there is, 0 for none."""
    names = (entry.name for entry in directory.iterdir())
    return max((int(name) for name in names if re.fullmatch("[0-9]+", name)), default=0)
