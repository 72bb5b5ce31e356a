"""Compare the outputs of the export, run in a separate process, with the model's own outputs."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_attention.export.checks.fresh_process import TIMEOUT, run_calls
from keras_attention.export.checks.graph import load_meta_graph
from keras_attention.export.checks.half_precision import find_half_precision_outputs
from keras_attention.export.checks.known_causes import describe_known_causes
from keras_attention.export.checks.model_outputs import compute_expected_outputs
from keras_attention.export.requests.call import Call, check_in_python

FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")


class SelfCheckError(RuntimeError):
    """Raised when an export does not reproduce the model's outputs."""


class PaddingTrial(NamedTuple):
    """A padded request, and requests without padding: the answers must be the same.

    Either there is one request for all rows of the padded one, or one for each row.
    """

    padded: Call
    requests: list[Call]


def check_outputs(
    path: str | os.PathLike,
    calls: list[Call],
    trials: Sequence[PaddingTrial] = (),
    xla: bool = False,
    timeout: float = TIMEOUT,
) -> list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """Return the outputs of the export and of the model; raise SelfCheckError if they differ.

    Integers, bools and strings must be equal, floats within `1e-4 * |expected|`, plus 1e-5 of the
    output's largest magnitude (see `_absolute_tolerance`). Outputs that are computed from
    float16 or bfloat16 numbers may differ by 1/20 of their largest magnitude, because for unknown
    dimensions Keras uses other operations than eagerly: they sum in another order and round at
    other points. (Four Transformer blocks in float16 differ by 1/60.)

    Args:
        path: The version directory, which holds `saved_model.pb`.
        calls: List of `Call`.
        trials: List of `PaddingTrial`; padding must not change the outputs.
        xla: Whether the export runs with XLA. Default False.
        timeout: Seconds after which the process that runs the export is stopped.

    Returns:
        For each call, the outputs of the export and those of the model.
    """
    requests = [*calls, *(trial.padded for trial in trials)]
    try:
        named_inputs = [(call.signature.name, call.inputs) for call in requests]
        answers = run_calls(path, named_inputs, disable_xla=not xla, timeout=timeout)
    except RuntimeError as error:
        check_in_python(calls)
        raise SelfCheckError(f"The export does not run outside Python. {error}") from error
    half = find_half_precision_outputs(load_meta_graph(path))
    checked = []
    # Both sides run all requests in the same order, because a request may change variables.
    for call, answer in zip(calls, answers, strict=False):
        outputs = compute_expected_outputs(call)
        checked.append((answer, outputs))
        for name in sorted(outputs.keys() | answer.keys()):
            is_half = (call.signature.name, name) in half
            difference = describe_difference(answer.get(name), outputs.get(name), is_half)
            if difference:
                raise SelfCheckError(
                    f"The export differs from the model in signature {call.signature.name!r}, "
                    f"output {name!r}, for inputs of shapes {call.shapes}: {difference}. "
                    f"({describe_known_causes(call.signature.resources)})"
                )
    for trial, answer in zip(trials, answers[len(calls) :], strict=True):
        _check_padding(trial, answer, half)
    return checked


def _check_padding(trial: PaddingTrial, answer: dict[str, np.ndarray], half: set) -> None:
    """Raise SelfCheckError if padding changes an answer of a signature with lengths."""
    name = trial.padded.signature.name
    expected = dict(answer)
    for row, request in enumerate(trial.requests):
        for key, unpadded in compute_expected_outputs(request).items():
            if len(trial.requests) == 1:
                expected[key] = _replace_part(expected[key], unpadded, 0)
            elif unpadded.shape[:1] == (1,) and len(answer[key]) == len(trial.requests):
                expected[key] = _replace_part(expected[key], unpadded, row)
    # All rows are compared at once, because the tolerance depends on the largest of them.
    for key, array in answer.items():
        difference = describe_difference(array, expected[key], (name, key) in half)
        if difference:
            raise SelfCheckError(
                "Expected padding beyond the lengths, and the other rows of a batch, not to change "
                f"signature {name!r}, which has lengths. Make the model ignore the padding: "
                "`Embedding(mask_zero=True)`, `Masking(mask_value=...)` or a mask input for "
                "attention and recurrent layers, and no layers that ignore masks, such as "
                f"GlobalMaxPooling1D. Received: output {key!r}, of a request that was padded from "
                f"{trial.requests[-1].shapes} to {trial.padded.shapes}: {difference}"
            )


def _replace_part(array: np.ndarray, part: np.ndarray, row: int) -> np.ndarray:
    """Replace the beginning of each axis of an array from a row on; return a part too large."""
    if array.ndim != part.ndim:
        return part
    region = tuple(slice(size) for size in part.shape)
    if row:
        region = (slice(row, row + len(part)), *region[1:])
    if array[region].shape != part.shape:
        return part
    result = array.copy()
    result[region] = part
    return result


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
    """Return the absolute tolerance, the same for every value of an output.

    It is relative to the output's largest magnitude, so that small outputs are compared as well. In
    float32 it is at least the rounding error of a sum of terms of size 1, and at most that for an
    output of 10: larger values are often constants that stand for "masked".
    """
    largest = np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
    if is_half:
        return max(1e-5, 0.05 * largest)
    return max(float(np.finfo("float32").eps), 1e-5 * min(largest, 10.0))
