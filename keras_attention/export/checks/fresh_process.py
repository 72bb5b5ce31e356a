"""Run a SavedModel through TensorFlow's C API in a new process, as a server would."""

import json
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
from keras_attention.export.checks.c_loader.model import LoaderError
from keras_attention.paths import to_local_path

PROGRAM = Path(__file__).parent / "c_loader" / "__main__.py"
TIMEOUT = 600.0  # seconds; a model of 2.4 GB needs less than 40 on two cores

Call = tuple[str, Mapping[str, Any]]


def run_in_c_loader(
    path: str | os.PathLike,
    signature: str,
    inputs: Mapping[str, Any],
    disable_xla: bool = True,
    timeout: float = TIMEOUT,
) -> dict[str, np.ndarray]:
    """Call one signature of a SavedModel in a process without Keras or TensorFlow's Python code.

    The process loads the SavedModel with the code that TensorFlow Serving uses, on the CPU.

    Args:
        path: The version directory, which holds `saved_model.pb`.
        signature: Name of the signature, such as `"serving_default"`.
        inputs: Dict of input name to array (or nested lists). The dtypes must be exactly those of
            the signature; strings may be str or bytes.
        disable_xla: Whether to disable XLA, as a server does by default. Default True.
        timeout: Seconds after which the process is stopped. Default 600.

    Returns:
        Dict of output name to array; strings are object arrays of bytes.

    Raises:
        ValueError: If an argument is not as described.
        RuntimeError: If the model cannot be loaded or the call fails, with TensorFlow's message; or
            if the process takes longer than `timeout`.

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
    timeout = arguments.positive_number("timeout", timeout)
    return run_calls(path, [(signature, inputs)], disable_xla, timeout)[0]


def run_calls(
    path: str | os.PathLike,
    calls: Sequence[Call],
    disable_xla: bool = True,
    timeout: float = TIMEOUT,
) -> list[dict[str, np.ndarray]]:
    """Run a list of `(signature, inputs)` in one process; otherwise like `run_in_c_loader`."""
    answers = try_calls(path, calls, disable_xla, timeout)
    for answer in answers:
        if isinstance(answer, RuntimeError):
            raise answer
    return [answer for answer in answers if not isinstance(answer, RuntimeError)]


def try_calls(
    path: str | os.PathLike,
    calls: Sequence[Call],
    disable_xla: bool = True,
    timeout: float = TIMEOUT,
) -> list[dict[str, np.ndarray] | LoaderError]:
    """Run a list of `(signature, inputs)` in one process, and return the errors of failing calls.

    Args:
        path: The version directory.
        calls: List of `(signature, inputs)`.
        disable_xla: As in `run_in_c_loader`.
        timeout: As in `run_in_c_loader`.

    Returns:
        For each call, a dict of output name to array, or the error.

    Raises:
        RuntimeError: If the model cannot be loaded, or the process is killed or takes too long.
    """
    rows = [{name: as_array(value) for name, value in inputs.items()} for _, inputs in calls]
    # A server needs no GPU, and this process may have reserved all of the GPU's memory.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).absolute()
        # The type stubs reject a dict of arrays, because a key could be `allow_pickle`.
        np.savez(folder / "requests.npz", **pack(rows))  # pyright: ignore[reportArgumentType]
        # The signatures' names are in a file, because one that begins with `-` would be an option.
        signatures = json.dumps([signature for signature, _ in calls])
        (folder / "signatures.json").write_text(signatures, encoding="utf-8")
        # -P keeps the program's own folder off the import path.
        command = [sys.executable, "-P", PROGRAM, *["--disable-xla"] * disable_xla]
        try:
            process = subprocess.run(
                [*map(str, command), "--", str(Path(path).absolute()), str(folder)],
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(
                f"Expected answers from the loading process within `timeout`={timeout:g} seconds. "
                "Received: none; the process was stopped. If the model needs longer, pass a larger "
                "`timeout`"
            ) from error
        if process.returncode < 0:  # Output printed before the signal does not explain it.
            raise RuntimeError(f"The loading process ended by signal {-process.returncode}.")
        if process.returncode:
            message = process.stdout.strip() or process.stderr.strip()[-1500:]
            raise RuntimeError(message or f"The loading process ended with {process.returncode}.")
        with np.load(folder / "answers.npz") as packed:
            answers = unpack(packed, len(calls))
        errors = json.loads((folder / "errors.json").read_text(encoding="utf-8"))
    failed = {row: LoaderError(code, message) for row, code, message in errors}
    return [failed.get(row, answer) for row, answer in enumerate(answers)]
