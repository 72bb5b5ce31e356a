"""Asks a SavedModel through TensorFlow's C API in a new process, as a server would be asked."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from keras_attention.export.checks.c_loader.arrays import as_array, pack, unpack

PROGRAM = Path(__file__).parent / "c_loader" / "__main__.py"


def run_in_c_loader(path, signature, inputs, disable_xla=True):
    """Calls one signature of a SavedModel in a process without Keras or TensorFlow's Python.

    The process loads the SavedModel with the code that TensorFlow Serving uses, on the CPU.

    Args:
        path: The version directory, with `saved_model.pb` in it.
        signature: Name of the signature, as `"serving_default"`.
        inputs: Dict of input name to array (or nested lists), of exactly the signature's dtypes;
            strings may be str or bytes.
        disable_xla: Whether XLA is switched off, as it is in a server that is started without
            further flags; default True.

    Returns:
        Dict of output name to array; strings are object arrays of bytes.

    Raises:
        RuntimeError: If the model cannot be loaded or the call fails, with TensorFlow's message.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(3.0)])
    >>> path = keras_attention.export.saved_model(model, tempfile.mkdtemp())
    >>> inputs = {"x": np.ones((1, 2), "float32")}
    >>> keras_attention.export.run_in_c_loader(path, "serving_default", inputs)
    {'output': array([[3., 3.]], dtype=float32)}
    """
    return run_calls(path, [(signature, inputs)], disable_xla)[0]


def run_calls(path, calls, disable_xla=True):
    """Like `run_in_c_loader` for a list of `(signature, inputs)`, in one process."""
    rows = [{name: as_array(value) for name, value in inputs.items()} for _, inputs in calls]
    # A server needs no GPU, and this process may have taken all of the GPU's memory.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    with tempfile.TemporaryDirectory() as folder:
        requests, answers = Path(folder, "requests.npz"), Path(folder, "answers.npz")
        np.savez(requests, **pack(rows))
        names = [name for name, _ in calls]
        # -P: what lies beside the program is no module of its own.
        command = [sys.executable, "-P", PROGRAM, path, requests, answers, *names]
        done = subprocess.run(
            [*map(str, command), *["--disable-xla"] * disable_xla],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode < 0:  # what it said before has no bearing on it
            raise RuntimeError(f"The loading process ended by signal {-done.returncode}.")
        if done.returncode:
            said = done.stdout.strip() or done.stderr.strip()[-1500:]
            raise RuntimeError(said or f"The loading process ended with {done.returncode}.")
        with np.load(answers) as flat:
            return unpack(flat, len(calls))
