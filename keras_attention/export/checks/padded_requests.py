"""Draw padded requests of signatures with lengths, and truncate them to these lengths."""

import numpy as np

from keras_attention.export.checks.outputs import PaddingTrial
from keras_attention.export.checks.server_padding import pad_like_server
from keras_attention.export.requests.call import Call
from keras_attention.export.signatures.reference import get_lengths
from keras_attention.export.signatures.spec import BATCH


def repeat_rows(call: Call, count: int) -> Call:
    """Return a call with a number of rows, which repeat those of the example."""
    inputs = dict(call.inputs)
    for spec in call.signature.inputs:
        if spec.shape[:1] == (BATCH,):
            rows = np.arange(count) % len(inputs[spec.name])
            inputs[spec.name] = inputs[spec.name][rows]
    return Call(call.signature, inputs)


def make_trial(
    call: Call,
    id_count: int | None,
    shortest_and_longest: dict[str, tuple[int, int]],
    has_equal_lengths: bool,
) -> PaddingTrial:
    """Draw a padded request from the example's values, and truncate its rows to their lengths.

    Args:
        call: The example.
        id_count: If not None, ids below this number are drawn for integer sequences that hold only
            one value in the example.
        shortest_and_longest: The smallest length and the padded size of each sequence.
        has_equal_lengths: Whether all rows have the smallest length; otherwise their lengths go
            down from the padded size.
    """
    random = np.random.default_rng(0)
    padded, row_lengths, sizes = dict(call.inputs), {}, {}
    specs = {spec.name: spec for spec in call.signature.inputs}
    lengths = get_lengths(call.signature.function)
    for name, length_name in lengths.items():
        shortest, longest = shortest_and_longest[name]
        size_name = specs[name].shape[1]
        if isinstance(size_name, int):
            shortest = longest = size_name
        below = specs[name].below
        id_limit = min(id_count, below) if id_count and isinstance(below, int) else id_count
        if isinstance(below, str):  # The example's own ids are below that size.
            id_limit = None
        padded[name] = _draw_steps(
            random, call.inputs[name], call.inputs[length_name], longest, id_limit
        )
        count = len(padded[name])
        row_lengths[name] = np.linspace(longest, shortest, count).round().astype("int32")
        if has_equal_lengths:
            row_lengths[name] = np.full(count, shortest, "int32")
        padded[length_name] = row_lengths[name]
        if isinstance(size_name, str):
            sizes[size_name] = name
    for name, spec in specs.items():  # Other axes of the same size must match.
        shape = [
            shortest_and_longest[sizes[size_name]][1] if size_name in sizes else size
            for size_name, size in zip(spec.shape, padded[name].shape, strict=True)
        ]
        if any(np.greater(shape[1:], padded[name].shape[1:])):
            padded[name] = pad_like_server(padded[name], shape[1:])
    trial = Call(call.signature, padded)
    if has_equal_lengths:
        return PaddingTrial(trial, [_truncate_rows(trial, slice(None), row_lengths)])
    count = len(next(iter(row_lengths.values())))
    rows = [slice(row, row + 1) for row in range(count)]
    return PaddingTrial(trial, [_truncate_rows(trial, row, row_lengths) for row in rows])


def _truncate_rows(padded: Call, rows: slice, row_lengths: dict[str, np.ndarray]) -> Call:
    """Return some rows of a request, which have the same lengths, without padding."""
    inputs, sizes = dict(padded.inputs), {}
    specs = {spec.name: spec for spec in padded.signature.inputs}
    for name, lengths in row_lengths.items():
        size = int(lengths[rows][0])
        inputs[name] = inputs[name][:, :size]
        if isinstance(specs[name].shape[1], str):
            sizes[specs[name].shape[1]] = size
    for name, spec in specs.items():
        for axis, size_name in enumerate(spec.shape):
            if axis > 0 and size_name in sizes:
                inputs[name] = inputs[name].take(range(sizes[size_name]), axis)
        if spec.shape[:1] == (BATCH,):
            inputs[name] = inputs[name][rows]
    return Call(padded.signature, inputs)


def _draw_steps(
    random: np.random.Generator,
    sequences: np.ndarray,
    lengths: np.ndarray,
    size: int,
    id_limit: int | None,
) -> np.ndarray:
    """Draw sequences of `size` steps from the steps of some sequences, or from ids."""
    is_real = np.arange(sequences.shape[1]) < lengths[:, None]
    steps = sequences[is_real if is_real.any() else np.ones_like(is_real)]
    dtype = sequences.dtype
    if dtype.kind in "iub" and id_limit is not None and len(np.unique(steps)) == 1:
        shape = (len(sequences), size, *sequences.shape[2:])
        if dtype.kind == "b":
            return random.integers(0, 2, shape).astype(bool)
        return random.integers(1, max(2, min(id_limit, np.iinfo(dtype).max)), shape).astype(dtype)
    return steps[random.integers(len(steps), size=(len(sequences), size))]
