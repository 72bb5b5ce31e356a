"""Detect signatures whose answers change when a server's batching pads their requests."""

from collections.abc import Iterator, Sequence

import numpy as np

from keras_attention.export.checks.batching import Answer, Call, IsEqual
from keras_attention.export.checks.c_loader.model import LoaderError
from keras_attention.export.checks.reachable import list_signatures
from keras_attention.export.printable import shorten_error

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


def pad_call(meta, call: Call) -> Call | None:
    """Return a call with inputs that a server has padded; None if only their batch can be padded.

    Args:
        meta: MetaGraphDef.
        call: `(signature, inputs)`.
    """
    name, inputs = call
    signature = list_signatures(meta).get(name)
    if signature is None or inputs.keys() != set(signature.inputs):
        return None
    padded = _pad_inputs(signature.inputs, inputs)
    return None if padded is None else (name, padded)


def find_padding_remarks(
    name: str,
    answer: dict[str, np.ndarray],
    padded_answer: Answer,
    is_equal: IsEqual,
) -> Iterator[str]:
    """Yield a remark for each output that changes if the server pads.

    Args:
        name: The signature.
        answer: The outputs of a call.
        padded_answer: The outputs of the same call after `pad_call`, or its error.
        is_equal: `(signature, output, array, expected)` -> whether arrays of the same shape are
            equal up to rounding.
    """
    if isinstance(padded_answer, LoaderError):
        yield (
            "rejects a request that the server pads (pad_variable_length_inputs): "
            f"{name}: {shorten_error(padded_answer)}"
        )
        return
    for key in sorted(answer):
        prefix = _take_prefix(padded_answer[key], answer[key].shape)
        if prefix is None or not is_equal(name, key, prefix, answer[key]):
            yield (
                "changes its answer if the server pads requests (pad_variable_length_inputs), "
                "which keras_attention.export.with_lengths prevents for a model's sequences: "
                f"{name}, output {key}"
            )


def _pad_inputs(infos, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """Pad the inputs along every unknown dimension; return None if there is none but the batch."""
    result, is_padded = {}, False
    for name, array in inputs.items():
        dims = infos[name].tensor_shape.dim
        has_batch = array.ndim == len(dims) and len(dims) > 0 and dims[0].size < 0
        is_unknown = [dim.size < 0 for dim in dims[1:]] if has_batch else []
        if any(is_unknown):
            pairs = zip(array.shape[1:], is_unknown, strict=True)
            sizes = [size + PADDED_ELEMENTS * unknown for size, unknown in pairs]
            array, is_padded = pad_like_server(array, sizes), True
        result[name] = array
    return result if is_padded else None


def _take_prefix(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the first elements along each dimension; None if there are too few."""
    if array.ndim != len(shape) or any(np.less(array.shape, shape)):
        return None
    return array[tuple(slice(size) for size in shape)]
