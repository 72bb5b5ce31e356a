"""Removal of old versions: `python -m keras_attention.export prune saved_models/name --keep 3`."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence

from keras_attention.arguments import positive_integer
from keras_attention.export.printable import to_printable
from keras_attention.export.versions.leftovers import (
    list_leftovers,
    remove_leftovers,
    temporary_directory,
)
from keras_attention.export.versions.models_config import (
    exclusive_lock,
    find_versions,
    get_or_add_entry,
    list_served_versions,
    load_config,
    resolve_model_directory,
)


def prune(directory: str | os.PathLike, keep: int) -> list[int]:
    """Remove old versions of a model, but never the newest one or one that is served.

    Before its files are deleted, a version is renamed to a name that no server loads, so that there
    is never an incomplete version. Of a version that is a symbolic link, only the link is removed.
    Other processes may export or label versions at the same time, except from other hosts of a
    network file system, where the lock has no effect.

    A killed export leaves a temporary directory (`.export-…`) behind. The next `prune` or export
    removes it: on the same host at once, on another host, or in another container, if nothing in it
    has changed for an hour. The command prints the names of those that remain.

    Args:
        directory: The model's directory, such as `saved_models/name`.
        keep: Int, how many of the newest versions to keep, at least 1. Versions that have a label
            in `models.config`, or that the version policy there serves (specific versions, the
            latest n, or all), are kept in addition.

    Returns:
        List of the versions that were removed.

    Raises:
        ValueError: If an argument is not as described.
        NotImplementedError: On Windows, which has no such lock.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(3.0)])
    >>> directory = tempfile.mkdtemp() + "/saved_models/tripled"
    >>> for _ in range(2):
    ...     path = keras_attention.export.saved_model(model, directory)
    >>> keras_attention.export.prune(directory, keep=1)
    [1]
    """
    keep = positive_integer("keep", keep)
    directory = resolve_model_directory(directory)
    # `label` takes the same lock, so no version can be labeled while it is being removed.
    with exclusive_lock(directory.parent):
        remove_leftovers(directory)
        entry = get_or_add_entry(load_config(directory.parent), directory.name)
        versions = find_versions(directory)
        needed = {*entry.version_labels.values(), *list_served_versions(entry, versions)}
        old = list(versions.items())[:-keep]
        removed = {version: path for version, path in old if version not in needed}
        for path in removed.values():
            if path.is_symlink():  # The version itself is stored elsewhere, and stays there.
                path.unlink()
            else:
                with temporary_directory(directory) as temporary:
                    os.rename(path, temporary)
                    shutil.rmtree(temporary)
    return list(removed)


def main(arguments: Sequence[str]) -> int:
    """Remove old versions and print their numbers; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export prune",
        description="Remove old versions, but never the newest one or one that is served. Remove "
        "also what killed exports left behind, and print what remains of it.",
    )
    parser.add_argument("directory", metavar="DIR", help="a model's directory: saved_models/name")
    parser.add_argument("--keep", type=int, required=True, help="how many of the newest to keep")
    options = parser.parse_args(arguments)
    try:
        removed = prune(options.directory, options.keep)
        remaining = list_leftovers(resolve_model_directory(options.directory))
    except (ValueError, OSError, NotImplementedError) as error:
        print("error:", to_printable(str(error)), file=sys.stderr)
        return 1
    print("removed:", *removed or ["none"])
    for temporary in remaining:
        print(
            f"not removed: {to_printable(str(temporary))}, which an export or prune may be using "
            "(it is locked, or of another host and younger than an hour)"
        )
    return 0
