"""Detect signatures whose answers change when a server's batching pads their requests."""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.checks.half_precision import find_half_precision_outputs
from keras_attention.export.checks.outputs import is_close

PADDED_ELEMENTS = 3  # the number of elements appended along each dimension of unknown size


def pad_like_server(array: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Pad an array with its own first element, as `pad_variable_length_inputs` does.

    Args:
        array: Array of shape `(batch, ...)`.
        sizes: The target sizes of all dimensions but the batch, none smaller than the array's.

    Returns:
        Array of shape `(batch, *sizes)`.
    """
    widths = [(0, target - size) for target, size in zip(sizes, array.shape[1:], strict=True)]
    if array.size == 0:
        return np.zeros((len(array), *sizes), array.dtype)
    return np.pad(array, [(0, 0), *widths], constant_values=array.flat[0])


def find_padding_remarks(
    path: str | os.PathLike,
    meta,
    calls: list[tuple[str, dict[str, np.ndarray]]],
    answers: list[dict[str, np.ndarray]],
) -> Iterator[str]:
    """Yield a remark for each output that changes when the server pads.

    The calls are run again with padding. A change that none of them exposes is not detected.

    Args:
        path: The version directory.
        meta: Its MetaGraphDef.
        calls: List of `(signature, inputs)`, as `load_warmup_requests` returns them.
        answers: The outputs of the calls without padding, from `run_calls`.
    """
    padded = [_pad_inputs(meta.signature_def[name].inputs, inputs) for name, inputs in calls]
    if all(inputs is None for inputs in padded):
        return
    # Calls that cannot be padded are repeated too, because the answers of a stateful model depend
    # on all earlier calls.
    repeated = [
        (name, inputs if padded_inputs is None else padded_inputs)
        for (name, inputs), padded_inputs in zip(calls, padded, strict=True)
    ]
    half = find_half_precision_outputs(meta)
    try:
        padded_answers = run_calls(path, repeated)
    except RuntimeError as error:
        message = " ".join(str(error).split())[:300]
        yield f"rejects a request that the server pads (pad_variable_length_inputs): {message}"
        return
    changed = {
        (name, key)
        for (name, _), padded_inputs, answer, padded_answer in zip(
            calls, padded, answers, padded_answers, strict=True
        )
        if padded_inputs is not None
        for key in answer
        if not _has_prefix(padded_answer[key], answer[key], (name, key) in half)
    }
    for name, key in sorted(changed):
        yield (
            "changes its answer if the server pads requests (pad_variable_length_inputs), because "
            f"it has no `lengths` (keras_attention.export.with_lengths): {name}, output {key}"
        )


def _pad_inputs(infos, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """Pad the inputs along every unknown dimension; return None if there is none but the batch."""
    result, is_padded = {}, False
    for name, array in inputs.items():
        dims = infos[name].tensor_shape.dim
        is_unknown = [dim.size < 0 for dim in dims[1:]] if dims and dims[0].size < 0 else []
        if any(is_unknown):
            pairs = zip(array.shape[1:], is_unknown, strict=True)
            sizes = [size + PADDED_ELEMENTS * unknown for size, unknown in pairs]
            array, is_padded = pad_like_server(array, sizes), True
        result[name] = array
    return result if is_padded else None


def _has_prefix(longer: np.ndarray, array: np.ndarray, is_half: bool) -> bool:
    """Return True if `longer` starts with the elements of `array`, up to rounding."""
    if longer.ndim != array.ndim or any(np.less(longer.shape, array.shape)):
        return False
    prefix = longer[tuple(slice(size) for size in array.shape)]
    return bool(np.all(is_close(prefix, array, is_half)))
