"""Compare the outputs of the export, run in a separate process, with the model's own outputs."""

import os

import numpy as np

from keras_attention.export.checks.c_loader.arrays import as_array
from keras_attention.export.checks.fresh_process import TIMEOUT, run_calls
from keras_attention.export.checks.graph import has_half_precision
from keras_attention.export.requests.call import Call, check_in_python

FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")


class SelfCheckError(RuntimeError):
    """Raised when an export does not reproduce the model's outputs."""


def check_outputs(
    path: str | os.PathLike, calls: list[Call], xla: bool = False, timeout: float = TIMEOUT
) -> list[dict[str, np.ndarray]]:
    """Return the export's outputs; raise SelfCheckError unless they equal the model's.

    Integers, bools and strings must be equal, floats within `1e-4 * |expected| + 1e-5`. If the
    graph computes anything in float16 or bfloat16, floats may differ by 1/20 of the output's
    largest magnitude, because for unknown dimensions Keras uses other operations than eagerly: they
    sum in another order and round at other points. (Four Transformer blocks in float16 differ by
    1/60.)

    Args:
        path: The version directory, which holds `saved_model.pb`.
        calls: List of `Call`.
        xla: Whether the export runs with XLA. Default False.
        timeout: Seconds after which the process that runs the export is stopped.

    Returns:
        List of the outputs of each call by name.
    """
    pairs = [(call.signature.name, call.inputs) for call in calls]
    try:
        answers = run_calls(path, pairs, not xla, timeout)
    except RuntimeError as error:
        check_in_python(calls)
        raise SelfCheckError(f"The export does not run outside Python. {error}") from error
    is_half = has_half_precision(path)
    for call, answer in zip(calls, answers, strict=True):
        outputs = _compute_model_outputs(call)
        for name in sorted(outputs.keys() | answer.keys()):
            difference = describe_difference(answer.get(name), outputs.get(name), is_half)
            if difference:
                shapes = {key: array.shape for key, array in call.inputs.items()}
                raise SelfCheckError(
                    f"The export differs from the model in signature {call.signature.name!r}, "
                    f"output {name!r}, for inputs of shapes {shapes}: {difference}. "
                    "(Random numbers can be reproduced only if a SeedGenerator draws them.)"
                )
    return answers


def _compute_model_outputs(call: Call) -> dict[str, np.ndarray]:
    """Run the signature's Python function on the CPU, where the export runs too."""
    import tensorflow as tf

    with tf.device("CPU:0"):
        tensors = [tf.constant(call.inputs[spec.name], spec.dtype) for spec in call.signature.specs]
        outputs = call.signature.compute_outputs(*tensors)
        return {name: as_array(tensor.numpy()) for name, tensor in outputs.items()}


def describe_difference(
    exported: np.ndarray | None, expected: np.ndarray | None, is_half: bool
) -> str | None:
    """Describe how an exported output differs from the model's; return None if it does not."""
    if exported is None or expected is None:
        return f"it is missing in the {'export' if exported is None else 'model'}"
    if exported.shape != expected.shape or exported.dtype != expected.dtype:
        return f"{exported.dtype} {exported.shape} instead of {expected.dtype} {expected.shape}"
    equal = is_close(exported, expected, is_half)
    if equal.all():
        return None
    exported, expected = _to_double_precision(exported), _to_double_precision(expected)
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        is_number = expected.dtype.kind not in "Ob"
        error = np.abs(exported * 1.0 - expected) if is_number else ~equal
    error = np.where(equal, -1.0, np.nan_to_num(error, nan=np.inf))
    worst = np.unravel_index(np.argmax(error), expected.shape)
    return (
        f"{np.sum(~equal)} of {expected.size} values, the largest difference {error[worst]:.3g} at "
        f"{tuple(map(int, worst))}: {exported[worst]} instead of {expected[worst]}"
    )


def is_close(exported: np.ndarray, expected: np.ndarray, is_half: bool) -> np.ndarray:
    """Compare two arrays elementwise, up to rounding.

    Args:
        exported: Array.
        expected: Array of the same shape and dtype.
        is_half: Whether the tolerance for half precision applies, as in `check_outputs`.

    Returns:
        Bool array of the same shape.
    """
    if expected.dtype.name not in FLOATS + COMPLEX:
        return np.asarray(exported == expected, bool)
    exported, expected = _to_double_precision(exported), _to_double_precision(expected)
    tolerance = _absolute_tolerance(expected, is_half)
    return np.isclose(exported, expected, rtol=1e-4, atol=tolerance, equal_nan=True)


def _to_double_precision(array: np.ndarray) -> np.ndarray:
    """Cast floats and complex numbers to double precision; leave other dtypes unchanged."""
    if array.dtype.name in COMPLEX:
        return array.astype("complex128")
    return array.astype("float64") if array.dtype.name in FLOATS else array


def _absolute_tolerance(expected: np.ndarray, is_half: bool) -> float:
    """Return the absolute tolerance, the same for every value of an output."""
    largest = np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
    return max(1e-5, 0.05 * largest) if is_half else 1e-5
