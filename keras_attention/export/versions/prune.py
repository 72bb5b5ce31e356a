"""Old versions go: `python -m keras_attention.export prune saved_models/name --keep 3`."""

import argparse
import os
import shutil
import sys

from keras_attention import arguments as refusals
from keras_attention.export.versions import leftovers, models_config


def prune(directory, keep):
    """Removes old versions of a model: never the newest, nor one that is served.

    A version is renamed, to what no server takes for one, before its files are deleted: there is
    never half a version. What a killed process leaves is removed by the next `prune` or export on
    the same host. Exports and labels may be made at the same time, but not on several hosts of a
    network file system, between which the lock does not hold.

    Args:
        directory: The model's, as `saved_models/name`.
        keep: Int, how many of the newest versions to keep, at least 1. Versions that
            `models.config` labels or has served (listed, or so many of the latest, or all) stay
            besides.

    Returns:
        List of the numbers that were removed.

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
    keep = refusals.positive_integer("keep", keep)
    directory = models_config.model_directory(directory)
    # The lock of the labels: none can be given to what is just being removed.
    with models_config.alone(directory.parent):
        leftovers.remove(directory)
        entry = models_config.entry(models_config.read(directory.parent), directory.name)
        versions = models_config.versions(directory)
        named = {*entry.version_labels.values(), *models_config.served(entry, versions)}
        old = list(versions.items())[:-keep]
        removed = {version: path for version, path in old if version not in named}
        for path in removed.values():
            doomed = directory / leftovers.name()
            os.rename(path, doomed)
            shutil.rmtree(doomed)
    return list(removed)


def main(arguments):
    """Removes, and prints what; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export prune",
        description="Remove old versions: never the newest, nor one that models.config names.",
    )
    parser.add_argument("directory", metavar="DIR", help="a model's, as saved_models/name")
    parser.add_argument("--keep", type=int, required=True, help="how many of the newest stay")
    given = parser.parse_args(arguments)
    try:
        removed = prune(given.directory, given.keep)
    except (ValueError, OSError, NotImplementedError) as error:
        print("error:", error, file=sys.stderr)
        return 1
    print("removed:", *removed or ["none"])
    return 0
