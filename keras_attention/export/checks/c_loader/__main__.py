"""Answers a file of requests with a file of outputs; prints what went wrong, if it did."""

import argparse
import sys
import types
from pathlib import Path

import numpy as np


def main():
    """Returns the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", help="a version directory, with saved_model.pb in it")
    parser.add_argument("requests", help=".npz of the inputs, written from pack()")
    parser.add_argument("answers", help=".npz of the outputs, to be read with unpack()")
    parser.add_argument("signatures", nargs="*", help="the signature of each request")
    parser.add_argument("--disable-xla", action="store_true")
    try:
        _answer(parser.parse_args())
    except Exception as error:
        print(error)
        return 1
    return 0


def _answer(given):
    """Reads the requests, asks the model, writes the answers."""
    export = Path(__file__).parents[2]
    _without_init("keras_attention", export.parent)
    _without_init("keras_attention.export", export)
    from keras_attention.export.checks.c_loader.arrays import pack, unpack
    from keras_attention.export.checks.c_loader.library import tensorflow_folder
    from keras_attention.export.checks.c_loader.model import Model

    folder = tensorflow_folder()
    _without_init("tensorflow", folder)
    model = Model(given.model, folder, given.disable_xla)
    with np.load(given.requests) as requests:
        rows = unpack(requests, len(given.signatures))
    answers = [model.run(*call) for call in zip(given.signatures, rows, strict=True)]
    # With either of them here, this process would prove less than it claims.
    present = [name for name in ("keras", "tensorflow.python") if name in sys.modules]
    if present:
        raise RuntimeError(f"Expected neither Keras nor tensorflow.python. Received: {present}")
    np.savez(given.answers, **pack(answers))


def _without_init(name, folder):
    """Lets modules of a package be imported while the package's own code, and Keras, is not."""
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


if __name__ == "__main__":
    sys.exit(main())
