"""Compares what the export answers, in a process of its own, with the model's own outputs."""

import numpy as np

from keras_attention.export.checks.c_loader.arrays import as_array
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.checks.graph import computes_in_half

FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")


class SelfCheckError(RuntimeError):
    """The export does not reproduce the model's outputs."""


def check(path, calls):
    """Raises SelfCheckError unless the export gives the model's outputs for every call.

    Integers, bools and strings must be equal, floats within `1e-4 * |model's| + 1e-5`. Where the
    graph computes anything in float16 or bfloat16, floats may differ by a twentieth of the
    output's largest value: with unknown dimensions Keras takes other operations than it does step
    by step, which sum in another order and round at other places. (Four Transformer blocks in
    float16 differ by a sixtieth.)

    Args:
        path: The version directory, with `saved_model.pb` in it.
        calls: List of `Call`.
    """
    try:
        answers = run_calls(path, [(call.signature.name, call.inputs) for call in calls])
    except RuntimeError as error:
        raise SelfCheckError(f"The export does not run outside Python. {error}") from error
    half = computes_in_half(path)
    for call, answer in zip(calls, answers, strict=True):
        own = _own_outputs(call)
        for name in sorted(own.keys() | answer.keys()):
            difference = _difference(answer.get(name), own.get(name), half)
            if difference:
                shapes = {key: array.shape for key, array in call.inputs.items()}
                raise SelfCheckError(
                    f"The export differs from the model in signature {call.signature.name!r}, "
                    f"output {name!r}, for inputs of shapes {shapes}: {difference}. "
                    "(Only a SeedGenerator's random numbers can be reproduced.)"
                )


def _own_outputs(call):
    """What the Python function returns, computed where the export is: on the CPU."""
    import tensorflow as tf

    with tf.device("CPU:0"):
        tensors = [tf.constant(call.inputs[spec.name], spec.dtype) for spec in call.signature.specs]
        outputs = call.signature.outputs(*tensors)
        return {name: as_array(tensor.numpy()) for name, tensor in outputs.items()}


def _difference(served, own, half):
    """What differs, in words; None if nothing does."""
    if served is None or own is None:
        return f"it is missing in the {'export' if served is None else 'model'}"
    if served.shape != own.shape or served.dtype != own.dtype:
        return f"{served.dtype} {served.shape} in place of {own.dtype} {own.shape}"
    same = equals(served, own, half)
    if same.all():
        return None
    served, own = _wide(served), _wide(own)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        size = ~same if own.dtype.kind in "Ob" else np.abs(served * 1.0 - own)
    size = np.where(same, -1.0, np.nan_to_num(size, nan=np.inf))
    worst = np.unravel_index(np.argmax(size), own.shape)
    return (
        f"{np.sum(~same)} of {own.size} values, the largest difference {size[worst]:.3g} at "
        f"{tuple(map(int, worst))}: {served[worst]} in place of {own[worst]}"
    )


def equals(served, own, half):
    """Which values of two arrays are the same, but for rounding; `half` as in `check`."""
    if own.dtype.name not in FLOATS + COMPLEX:
        return np.asarray(served == own, bool)
    served, own = _wide(served), _wide(own)
    return np.isclose(served, own, rtol=1e-4, atol=_atol(own, half), equal_nan=True)


def _wide(array):
    """Numbers with fractions in double precision; all else as it is."""
    if array.dtype.name in COMPLEX:
        return array.astype("complex128")
    return array.astype("float64") if array.dtype.name in FLOATS else array


def _atol(own, half):
    """How far a value may be off, whatever its own size."""
    largest = np.max(np.abs(own), initial=0.0, where=np.isfinite(own))
    return max(1e-5, 0.05 * largest) if half else 1e-5
