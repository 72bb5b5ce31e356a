"""Version labels: `python -m keras_attention.export label saved_models/name stable=3 canary=4`."""

import argparse
import re
import sys

from keras_attention.export.versions import models_config

LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def label(directory, labels):
    """Names versions of a model in the `models.config` beside it, and has these served.

    A request may ask for a label (`/v1/models/name/labels/stable:predict`), and another version
    answers it as soon as the label moves. From the first label on a server loads the labelled
    versions and no others; once the last is removed, the largest. Where none is given and none
    removed, the model's version policy stays as it is. A server reads the file at its start and,
    with `--model_config_file_poll_wait_seconds`, again and again; it wants
    `--allow_version_labels_for_unavailable_models` for labels of versions that it has not loaded.

    The file is replaced as a whole, under a lock: a reader sees the old one or the new one, and
    two processes write one after the other (not on several hosts of a network file system, between
    which the lock does not hold). What it says of other models stays.

    Args:
        directory: The model's, as `saved_models/name`.
        labels: Dict of label to the number of a version; None removes the label.

    Returns:
        Dict of all labels of this model to their versions.

    Raises:
        ValueError: If a label is not a word, a version is not there, or the file is not a
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
    directory = models_config.model_directory(directory)
    with models_config.alone(directory.parent):
        config = models_config.read(directory.parent)
        entry = models_config.entry(config, directory.name)
        versions, before = models_config.versions(directory), dict(entry.version_labels)
        for name, version in labels.items():
            if not isinstance(name, str) or not LABEL.fullmatch(name):
                raise ValueError(
                    "Expected labels of letters, digits, `_`, `.` and `-`, a letter first. "
                    f"Received: {name!r}"
                )
            # 1.0 and True are in the versions, too, being equal to 1.
            if version is not None and (type(version) is not int or version not in versions):
                raise ValueError(
                    f"Expected a version of {directory}, of {list(versions)}. "
                    f"Received: {name}={version!r}"
                )
            if version is None:
                entry.version_labels.pop(name, None)
            else:
                entry.version_labels[name] = version
        is_given = any(version is not None for version in labels.values())
        if is_given or dict(entry.version_labels) != before:  # else the policy is somebody's own
            entry.ClearField("model_version_policy")
            if entry.version_labels:
                served = sorted(set(entry.version_labels.values()))
                entry.model_version_policy.specific.versions.extend(served)
            models_config.write(directory.parent, config)
        return dict(sorted(entry.version_labels.items()))


def main(arguments):
    """Labels, and prints all labels of the model; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export label",
        description="Name versions in the models.config beside the model, and have them served.",
    )
    parser.add_argument("directory", metavar="DIR", help="a model's, as saved_models/name")
    parser.add_argument(
        "labels", nargs="+", metavar="LABEL=VERSION", type=_pair, help="`LABEL=` removes it"
    )
    given = parser.parse_args(arguments)
    try:
        labels = label(given.directory, dict(given.labels))
    except (ValueError, OSError, NotImplementedError) as error:
        print("error:", error, file=sys.stderr)
        return 1
    print(*(f"{name}={version}" for name, version in labels.items()))
    return 0


def _pair(text):
    """`(label, version)` of `label=version`, the version None where there is none."""
    name, equals, version = text.partition("=")
    if not equals or not re.fullmatch("[0-9]*", version):
        raise argparse.ArgumentTypeError(f"expected LABEL=VERSION, not {text!r}")
    return name, int(version) if version else None
