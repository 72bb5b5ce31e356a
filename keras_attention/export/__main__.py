"""Command line: `python -m keras_attention.export model.keras saved_models/name`.

If the model uses custom layers, scores or functions, pass `--import MODULE`: the module that
registers them is then imported before the model is loaded.

Further commands: `check saved_models/name` reports on an existing SavedModel, `label
saved_models/name stable=3` labels a version, `prune saved_models/name --keep 3` removes old
versions, `smoke localhost:8501 saved_models/name` tests a running server, and `openapi
saved_models/name` prints a description of the REST interface.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

import keras
import numpy as np

import keras_attention  # noqa: F401  (registers the layers, so that a model with them can be loaded)
from keras_attention.export.check import main as run_check
from keras_attention.export.requests.instructions import how_to_serve
from keras_attention.export.requests.openapi import main as run_openapi
from keras_attention.export.requests.smoke import main as run_smoke
from keras_attention.export.saved_model import saved_model
from keras_attention.export.versions.labels import main as run_label
from keras_attention.export.versions.prune import main as run_prune
from keras_attention.paths import to_local_path

COMMANDS = {
    "check": run_check,
    "label": run_label,
    "openapi": run_openapi,
    "prune": run_prune,
    "smoke": run_smoke,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Export a .keras file and print how to serve it, or run another command.

    Args:
        arguments: The command line's arguments. Default: those of this process.

    Returns:
        The exit code.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.export",
        description="Write a saved Keras model as the next version for TensorFlow Serving.",
    )
    parser.add_argument("model", help="the .keras file")
    parser.add_argument("directory", help="the model's directory: saved_models/name")
    parser.add_argument(
        "--example",
        action="append",
        metavar="FILE.npz",
        help="arrays by input name, for the check and the warm-up (can be repeated)",
    )
    parser.add_argument(
        "--import",
        action="append",
        default=[],
        dest="modules",
        metavar="MODULE",
        help="a module that registers custom classes or functions of the model "
        "(@keras.saving.register_keras_serializable()), to import first (can be repeated)",
    )
    parser.add_argument(
        "--xla",
        action="store_true",
        help="allow operations that need a server started with --xla_cpu_compilation_enabled",
    )
    options = parser.parse_args(arguments)
    try:
        for module in options.modules:
            importlib.import_module(module)
        model = keras.saving.load_model(os.path.expanduser(options.model), compile=False)
        example = [_load_arrays(file) for file in options.example] if options.example else None
        path = saved_model(model, options.directory, example=example, xla=options.xla)
    except Exception as error:  # Whatever the cause, the user gets one line and no traceback.
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        if "Could not locate" in str(error):
            print("Import the module that defines it: --import MODULE", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    print(f"{path}: version {path.name}, {size / 1e6:.2f} MB")
    without = "Keras" if options.xla else "Keras or XLA"
    print(f"Checked: the C++ loader, without {without}, reproduces the model's outputs.\n")
    print(how_to_serve(path))
    return 0


def _load_arrays(file: str) -> dict[str, np.ndarray]:
    """Load the arrays of an .npz file by name."""
    with np.load(to_local_path("example", file)) as arrays:
        return dict(arrays)


if __name__ == "__main__":
    sys.exit(main())
