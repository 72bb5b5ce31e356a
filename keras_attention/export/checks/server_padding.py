"""Detect signatures whose answers change when a server's batching pads their requests."""

import os
from collections.abc import Iterator, Sequence

import numpy as np

from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.checks.graph import has_half_precision
from keras_attention.export.checks.outputs import is_close

PADDED_ELEMENTS = 3  # per free dimension, as if the batch held a request longer by that many


def pad_like_server(array: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Pad an array with its own first element, as `pad_variable_length_inputs` does.

    Args:
        array: Array of shape `(batch, ...)`.
        sizes: The target sizes after the batch dimension, none smaller than the array's.

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

    The calls are run again with padding, so only changes that they expose are found.

    Args:
        path: The version directory.
        meta: Its MetaGraphDef.
        calls: List of `(signature, inputs)`, as `load_warmup_requests` returns them.
        answers: The outputs of the calls without padding, from `run_calls`.
    """
    padded = [_pad_free_sizes(meta.signature_def[name].inputs, inputs) for name, inputs in calls]
    if all(inputs is None for inputs in padded):
        return
    # Calls that cannot be padded are repeated, so that a model with state takes the same steps.
    repeated = [
        (name, inputs if longer is None else longer)
        for (name, inputs), longer in zip(calls, padded, strict=True)
    ]
    is_half = has_half_precision(path)
    try:
        padded_answers = run_calls(path, repeated)
    except RuntimeError as error:
        message = " ".join(str(error).split())[:300]
        yield f"refuses a request that the server pads (pad_variable_length_inputs): {message}"
        return
    changed = {
        (name, key)
        for (name, _), longer, answer, padded_answer in zip(
            calls, padded, answers, padded_answers, strict=True
        )
        if longer is not None
        for key in answer
        if not _has_prefix(padded_answer[key], answer[key], is_half)
    }
    for name, key in sorted(changed):
        yield (
            "changes its answer if the server pads requests (pad_variable_length_inputs), because "
            f"it has no `lengths` (keras_attention.export.with_lengths): {name}, output {key}"
        )


def _pad_free_sizes(infos, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """Return the inputs, padded along every size that may vary; None if there is no such size."""
    result, is_longer = {}, False
    for name, array in inputs.items():
        dims = infos[name].tensor_shape.dim
        is_free = [dim.size < 0 for dim in dims[1:]] if dims and dims[0].size < 0 else []
        if any(is_free):
            pairs = zip(array.shape[1:], is_free, strict=True)
            array = pad_like_server(array, [size + PADDED_ELEMENTS * free for size, free in pairs])
            is_longer = True
        result[name] = array
    return result if is_longer else None


def _has_prefix(longer: np.ndarray, array: np.ndarray, is_half: bool) -> bool:
    """Return True if an answer is unchanged, up to rounding, apart from elements at its end."""
    if longer.ndim != array.ndim or any(np.less(longer.shape, array.shape)):
        return False
    prefix = longer[tuple(slice(size) for size in array.shape)]
    return bool(np.all(is_close(prefix, array, is_half)))
