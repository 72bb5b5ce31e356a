"""What a server's batching does to requests of unlike lengths, and whether answers change by it."""

import numpy as np

from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.checks.graph import computes_in_half
from keras_attention.export.checks.outputs import equals

MORE = 3  # elements, as from a longer request in the same batch


def padded(array, sizes):
    """An array as `pad_variable_length_inputs` pads it: with its own first element.

    Args:
        array: Of shape `(batch, ...)`.
        sizes: The sizes after the batch, none smaller than the array's.

    Returns:
        Array `(batch, *sizes)`.
    """
    room = [(0, most - size) for most, size in zip(sizes, array.shape[1:], strict=True)]
    if array.size == 0:
        return np.zeros((len(array), *sizes), array.dtype)
    return np.pad(array, [(0, 0), *room], constant_values=array.flat[0])


def remarks(path, meta, calls):
    """Yields the signatures whose answers change where the server pads, in words.

    It is found by trying, so only what the calls show is known.

    Args:
        path: The version directory.
        meta: Its MetaGraphDef.
        calls: List of `(signature, inputs)`, as `warmup.read` gives them.
    """
    longer = [(name, _longer(meta.signature_def[name].inputs, inputs)) for name, inputs in calls]
    kept = [index for index, (_, inputs) in enumerate(longer) if inputs is not None]
    if not kept:
        return
    answers, half = run_calls(path, [calls[index] for index in kept]), computes_in_half(path)
    try:
        after = run_calls(path, [longer[index] for index in kept])
    except RuntimeError as error:
        said = " ".join(str(error).split())[:300]
        yield f"refuses a request that the server pads (pad_variable_length_inputs): {said}"
        return
    changed = {
        (calls[index][0], key)
        for index, one, other in zip(kept, answers, after, strict=True)
        for key in one
        if not _begins_with(other[key], one[key], half)
    }
    for name, key in sorted(changed):
        yield (
            "changes its answer where the server pads requests (pad_variable_length_inputs), for "
            f"want of `lengths` (keras_attention.export.with_lengths): {name}, output {key}"
        )


def _longer(infos, inputs):
    """The inputs, padded along every size that may vary; None where there is no such size."""
    result, is_longer = {}, False
    for name, array in inputs.items():
        dims = infos[name].tensor_shape.dim
        free = [dim.size < 0 for dim in dims[1:]] if dims and dims[0].size < 0 else []
        if any(free):
            sizes = [size + MORE * may for size, may in zip(array.shape[1:], free, strict=True)]
            array, is_longer = padded(array, sizes), True
        result[name] = array
    return result if is_longer else None


def _begins_with(longer, array, half):
    """Whether an answer is the same, but for rounding, apart from what was added to its end."""
    if longer.ndim != array.ndim or any(np.less(longer.shape, array.shape)):
        return False
    cut = longer[tuple(slice(size) for size in array.shape)]
    return bool(np.all(equals(cut, array, half)))
