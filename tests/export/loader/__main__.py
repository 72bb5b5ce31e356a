"""Answer pickled calls from standard input: `python -P tests/export/loader`."""

import pickle
import sys
import types
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[3] / "keras_attention"


def main():
    """Answer until standard input ends."""
    register_namespace("keras_attention", PACKAGE)
    register_namespace("keras_attention.export", PACKAGE / "export")
    from keras_attention.export.checks.c_loader.library import find_tensorflow_folder

    folder = find_tensorflow_folder()
    register_namespace("tensorflow", folder)
    while True:
        try:
            path, calls = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answers = answer_calls(path, calls, folder)
        except Exception as error:
            answers = str(error)
        present = [name for name in ("keras", "tensorflow.python") if name in sys.modules]
        if present:
            answers = f"Expected neither Keras nor tensorflow.python. Received: {present}"
        pickle.dump(answers, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def answer_calls(path, calls, folder):
    """Load the model, and return its answers; no state is left for the next list of calls.

    An error is returned as (code, message), because exceptions with two arguments cannot be
    pickled.
    """
    from keras_attention.export.checks.c_loader.model import INVALID_ARGUMENT, Model

    model, answers = Model(path, folder, disable_xla=True), []
    try:
        for signature, inputs in calls:
            try:
                answers.append(model.run(signature, inputs))
            except Exception as error:
                answers.append((getattr(error, "code", INVALID_ARGUMENT), str(error)))
        return answers
    finally:
        model.close()


def register_namespace(name, folder):
    """Make a package's modules importable without running its `__init__`."""
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


if __name__ == "__main__":
    main()
