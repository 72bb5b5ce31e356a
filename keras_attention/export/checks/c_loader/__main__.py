"""Answer a file of requests with a file of outputs, and one of the errors of failing requests."""

import argparse
import json
import sys
import types
from pathlib import Path

import numpy as np


def main() -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="a version directory, which holds saved_model.pb")
    parser.add_argument(
        "folder",
        type=Path,
        help="has requests.npz, packed by pack(), and signatures.json, a name for each; answers.npz"
        " for unpack(), and errors.json, a list of [row, code, message], are written there",
    )
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
    from keras_attention.export.checks.c_loader.model import INVALID_ARGUMENT, UNKNOWN, Model

    folder = find_tensorflow_folder()
    _register_namespace("tensorflow", folder)
    model = Model(options.model, folder, options.disable_xla)
    signatures = json.loads((options.folder / "signatures.json").read_text(encoding="utf-8"))
    with np.load(options.folder / "requests.npz") as requests:
        rows = unpack(requests, len(signatures))
    answers, errors = [], []
    for row, (signature, inputs) in enumerate(zip(signatures, rows, strict=True)):
        try:
            answers.append(model.run(signature, inputs))
        except Exception as error:
            answers.append({})
            # A ValueError, which is about the request, was raised before TensorFlow ran.
            default = INVALID_ARGUMENT if isinstance(error, ValueError) else UNKNOWN
            errors.append([row, getattr(error, "code", default), str(error)])
    # If either package were imported, this process would not prove that a server needs neither.
    present = [name for name in ("keras", "tensorflow.python") if name in sys.modules]
    if present:
        raise RuntimeError(f"Expected neither Keras nor tensorflow.python. Received: {present}")
    arrays = pack(answers)
    # The type stubs reject a dict of arrays, because a key could be `allow_pickle`.
    np.savez(options.folder / "answers.npz", **arrays)  # pyright: ignore[reportArgumentType]
    (options.folder / "errors.json").write_text(json.dumps(errors), encoding="utf-8")


def _register_namespace(name: str, folder: str | Path) -> None:
    """Make a package's modules importable without running its `__init__`, which imports Keras."""
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


if __name__ == "__main__":
    sys.exit(main())
