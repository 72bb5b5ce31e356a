"""Answer a file of requests with a file of outputs; print the error if a request fails."""

import argparse
import sys
import types
from pathlib import Path

import numpy as np


def main() -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="a version directory, which holds saved_model.pb")
    parser.add_argument("requests", help=".npz file of inputs, packed by pack()")
    parser.add_argument("answers", help=".npz file to write, for unpack()")
    parser.add_argument("signatures", nargs="*", help="the signature of each request")
    parser.add_argument("--disable-xla", action="store_true")
    try:
        _answer_requests(parser.parse_args())
    except Exception as error:
        print(error)
        return 1
    return 0


def _answer_requests(options: argparse.Namespace) -> None:
    """Load the requests, run the model on them, and write the answers."""
    export = Path(__file__).parents[2]
    _register_namespace("keras_attention", export.parent)
    _register_namespace("keras_attention.export", export)
    from keras_attention.export.checks.c_loader.arrays import pack, unpack
    from keras_attention.export.checks.c_loader.library import find_tensorflow_folder
    from keras_attention.export.checks.c_loader.model import Model

    folder = find_tensorflow_folder()
    _register_namespace("tensorflow", folder)
    model = Model(options.model, folder, options.disable_xla)
    with np.load(options.requests) as requests:
        rows = unpack(requests, len(options.signatures))
    answers = [model.run(*call) for call in zip(options.signatures, rows, strict=True)]
    # If either package were imported, this process would not prove that a server needs neither.
    present = [name for name in ("keras", "tensorflow.python") if name in sys.modules]
    if present:
        raise RuntimeError(f"Expected neither Keras nor tensorflow.python. Received: {present}")
    arrays = pack(answers)
    # The type stubs reject a dict of arrays, because a key could be `allow_pickle`.
    np.savez(options.answers, **arrays)  # pyright: ignore[reportArgumentType]


def _register_namespace(name: str, folder: str | Path) -> None:
    """Make a package's modules importable without running its `__init__`, which imports Keras."""
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


if __name__ == "__main__":
    sys.exit(main())
