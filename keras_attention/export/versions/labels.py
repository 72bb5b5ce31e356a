"""Version labels: `python -m keras_attention.export label saved_models/name stable=3 canary=4`."""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence

from keras_attention.export.printable import to_printable
from keras_attention.export.versions.models_config import (
    exclusive_lock,
    find_versions,
    get_or_add_entry,
    load_config,
    resolve_model_directory,
    write_config,
)

LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def label(directory: str | os.PathLike, labels: Mapping[str, int | None]) -> dict[str, int]:
    """Label versions of a model in `models.config` beside it, so that a server loads them.

    A request may use a label (`/v1/models/name/labels/stable:predict`) instead of a version number.
    When the label is moved, another version answers the same request. If a model has labels, a
    server loads only the labeled versions; after the last label is removed, it loads the latest
    version. If a call neither sets nor removes a label, the model's version policy is not changed.
    A server reads the file at its start and, with `--model_config_file_poll_wait_seconds`,
    periodically; labels of versions that it has not loaded yet require
    `--allow_version_labels_for_unavailable_models`.

    The file is replaced atomically, under a lock: a reader gets the old file or the new one, and
    two processes write one after the other. The lock has no effect between different hosts of a
    network file system. Entries of other models are not changed. The file keeps its mode and owner;
    if it is a symbolic link, the file to which it leads is replaced. Of its comments, only those at
    the top are kept. If the model's directory is a symbolic link, the link's name is the model's.

    Args:
        directory: The model's directory, such as `saved_models/name`.
        labels: Dict of label to the number of a version; None removes the label.

    Returns:
        Dict of all labels of this model to their versions.

    Raises:
        ValueError: If a label has an invalid name, a version does not exist, or the file is not a
            server's configuration.
        NotImplementedError: On Windows, which has no such lock.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(3.0)])
    >>> directory = tempfile.mkdtemp() + "/saved_models/tripled"
    >>> path = keras_attention.export.saved_model(model, directory)
    >>> keras_attention.export.label(directory, {"stable": 1})
    {'stable': 1}
    """
    if not isinstance(labels, dict):
        raise ValueError(
            f"Expected `labels` to be a dict of label to version. Received: labels={labels!r}"
        )
    directory = resolve_model_directory(directory)
    with exclusive_lock(directory.parent):
        config = load_config(directory.parent)
        entry = get_or_add_entry(config, directory.name)
        versions, previous_labels = find_versions(directory), dict(entry.version_labels)
        for name, version in labels.items():
            if not isinstance(name, str) or not LABEL.fullmatch(name):
                raise ValueError(
                    "Expected labels of letters, digits, `_`, `.` and `-`, a letter first. "
                    f"Received: {name!r}"
                )
            # The type is checked because 1.0 and True equal 1, so they are `in versions` too.
            if version is not None and (type(version) is not int or version not in versions):
                raise ValueError(
                    f"Expected an existing version of {directory}, one of {list(versions)}. "
                    f"Received: {name}={version!r}"
                )
            if version is None:
                entry.version_labels.pop(name, None)
            else:
                entry.version_labels[name] = version
        has_new_label = any(version is not None for version in labels.values())
        # If no label changes, the version policy is kept, because the user may have edited it.
        if has_new_label or dict(entry.version_labels) != previous_labels:
            entry.ClearField("model_version_policy")
            if entry.version_labels:
                served = sorted(set(entry.version_labels.values()))
                entry.model_version_policy.specific.versions.extend(served)
            write_config(directory.parent, config)
        return dict(sorted(entry.version_labels.items()))


def main(arguments: Sequence[str]) -> int:
    """Set labels, and print all labels of the model; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export label",
        description="Label versions in models.config, so that a server loads them.",
    )
    parser.add_argument("directory", metavar="DIR", help="a model's directory: saved_models/name")
    parser.add_argument(
        "labels",
        nargs="+",
        metavar="LABEL=VERSION",
        type=_parse_label,
        help="`LABEL=` removes a label",
    )
    options = parser.parse_args(arguments)
    try:
        labels = label(options.directory, dict(options.labels))
    except (ValueError, OSError, NotImplementedError) as error:
        print("error:", to_printable(str(error)), file=sys.stderr)
        return 1
    print(*(f"{name}={version}" for name, version in labels.items()))
    return 0


def _parse_label(text: str) -> tuple[str, int | None]:
    """Parse `label=version`; the version of `label=` is None."""
    name, equals, version = text.partition("=")
    if not equals or not re.fullmatch("[0-9]*", version):
        raise argparse.ArgumentTypeError(f"expected LABEL=VERSION, not {text!r}")
    return name, int(version) if version else None
