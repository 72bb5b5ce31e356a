"""`python -m keras_attention.export model.keras saved_models/name [--example examples.npz]`.

`python -m keras_attention.export check saved_models/name` reports on what was written; `label
saved_models/name stable=3` names versions, `prune saved_models/name --keep 3` removes old ones.
"""

import argparse
import sys

import keras
import numpy as np

import keras_attention  # noqa: F401  (its layers must be registered before a model is loaded)
from keras_attention.export.check import main as check_main
from keras_attention.export.requests.instructions import how_to_serve
from keras_attention.export.saved_model import saved_model
from keras_attention.export.versions import labels, prune

COMMANDS = {"check": check_main, "label": labels.main, "prune": prune.main}


def main(arguments=None):
    """Exports a saved model and prints how to serve it, or does as told; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export",
        description="Write a saved Keras model as the next version for TensorFlow Serving.",
    )
    parser.add_argument("model", help="the .keras file")
    parser.add_argument("directory", help="where the versions go, as saved_models/name")
    parser.add_argument(
        "--example",
        action="append",
        metavar="FILE.npz",
        help="arrays by input name, for the check and the warm-up; may be given several times",
    )
    given = parser.parse_args(arguments)
    try:
        model = keras.saving.load_model(given.model, compile=False)
        example = [_arrays(file) for file in given.example] if given.example else None
        path = saved_model(model, given.directory, example=example)
    except Exception as error:  # whatever is wrong, the user gets one line
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    print(f"{path}: version {path.name}, {size / 1e6:.2f} MB")
    print("Checked: TensorFlow's C++ loader, without Keras and XLA, gives the model's outputs.\n")
    print(how_to_serve(path))
    return 0


def _arrays(file):
    """The arrays of an .npz file by name."""
    with np.load(file) as arrays:
        return dict(arrays)


if __name__ == "__main__":
    sys.exit(main())
