"""Run a SavedModel through TensorFlow's C API in a new process, as a server would."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_attention import arguments
from keras_attention.export.checks.c_loader.arrays import as_array, pack, unpack
from keras_attention.paths import to_local_path

PROGRAM = Path(__file__).parent / "c_loader" / "__main__.py"


def run_in_c_loader(
    path: str | os.PathLike, signature: str, inputs: Mapping[str, Any], disable_xla: bool = True
) -> dict[str, np.ndarray]:
    """Call one signature of a SavedModel in a process without Keras or TensorFlow's Python code.

    The process loads the SavedModel with the code that TensorFlow Serving uses, on the CPU.

    Args:
        path: The version directory, which holds `saved_model.pb`.
        signature: Name of the signature, such as `"serving_default"`.
        inputs: Dict of input name to array (or nested lists). The dtypes must be exactly those of
            the signature; strings may be str or bytes.
        disable_xla: Whether to disable XLA, as a server does by default. Default True.

    Returns:
        Dict of output name to array; strings are object arrays of bytes.

    Raises:
        ValueError: If an argument is not as described.
        RuntimeError: If the model cannot be loaded or the call fails, with TensorFlow's message.

    Example:
    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Rescaling(3.0)])
    >>> path = keras_attention.export.saved_model(model, tempfile.mkdtemp())
    >>> inputs = {"x": np.ones((1, 2), "float32")}
    >>> keras_attention.export.run_in_c_loader(path, "serving_default", inputs)
    {'output': array([[3., 3.]], dtype=float32)}
    """
    path = to_local_path("path", path)
    if not isinstance(inputs, Mapping):
        raise ValueError(
            f"Expected `inputs` to be a dict of name to array. Received: inputs={inputs!r}"
        )
    disable_xla = arguments.boolean("disable_xla", disable_xla)
    return run_calls(path, [(signature, inputs)], disable_xla)[0]


def run_calls(
    path: str | os.PathLike,
    calls: Sequence[tuple[str, Mapping[str, Any]]],
    disable_xla: bool = True,
) -> list[dict[str, np.ndarray]]:
    """Run a list of `(signature, inputs)` in one process; otherwise like `run_in_c_loader`."""
    rows = [{name: as_array(value) for name, value in inputs.items()} for _, inputs in calls]
    # A server needs no GPU, and this process may have reserved all of the GPU's memory.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    with tempfile.TemporaryDirectory() as folder:
        requests, answers = Path(folder, "requests.npz"), Path(folder, "answers.npz")
        # The type stubs reject a dict of arrays, because a key could be `allow_pickle`.
        np.savez(requests, **pack(rows))  # pyright: ignore[reportArgumentType]
        names = [name for name, _ in calls]
        # -P keeps the program's own folder off the import path.
        command = [sys.executable, "-P", PROGRAM, path, requests, answers, *names]
        process = subprocess.run(
            [*map(str, command), *["--disable-xla"] * disable_xla],
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if process.returncode < 0:  # Output printed before the signal does not explain it.
            raise RuntimeError(f"The loading process ended by signal {-process.returncode}.")
        if process.returncode:
            message = process.stdout.strip() or process.stderr.strip()[-1500:]
            raise RuntimeError(message or f"The loading process ended with {process.returncode}.")
        with np.load(answers) as packed:
            return unpack(packed, len(calls))
