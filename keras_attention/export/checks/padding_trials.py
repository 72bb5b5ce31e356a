"""Requests that show whether the answers of signatures with lengths depend on padding."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from keras_attention.export.checks.model_outputs import compute_expected_outputs, compute_outputs
from keras_attention.export.checks.outputs import PaddingTrial
from keras_attention.export.checks.server_padding import PADDED_ELEMENTS, pad_like_server
from keras_attention.export.requests.call import Call
from keras_attention.export.signatures.lengths import FunctionWithLengths

# The number of ids that a model knows is unknown, so larger numbers of ids are tried first.
ID_COUNTS = (1000, 100, 10)


def make_padding_trials(calls: Sequence[Call]) -> list[PaddingTrial]:
    """Make a trial for each signature of `with_lengths`, with drawn values.

    A signature for which the model fails in every trial is reported by a warning.

    Args:
        calls: The examples of all signatures.
    """
    longest = {}  # by the signature's name
    for call in calls:
        if isinstance(call.signature.function, FunctionWithLengths):
            other = longest.get(call.signature.name, call)
            longest[call.signature.name] = max(other, call, key=_count_steps)
    trials = [_find_trial(call) for call in longest.values()]
    return [trial for trial in trials if trial is not None]


def _count_steps(call: Call) -> int:
    """Return the total length of all sequences of a call."""
    return sum(call.inputs[name].shape[1] for name in call.signature.function.lengths)


def _find_trial(call: Call) -> PaddingTrial | None:
    """Return the first trial that the model accepts; None if nothing can be padded."""
    error = None
    for trial in _list_trials(call):
        try:
            compute_expected_outputs(trial.request)
            compute_outputs(trial.padded)
        except Exception as caught:  # The model may raise anything for an id or a size.
            error = caught
        else:
            return trial
    if error is not None:
        warnings.warn(
            f"Expected signature {call.signature.name!r} to accept requests of other lengths, to "
            "check that padding does not change its answers. This was not checked. Pass an "
            f"`example` with longer sequences of valid values. Received: {error}",
            stacklevel=2,
        )
    return None


def _list_trials(call: Call) -> Iterator[PaddingTrial]:
    """Yield trials, those that are most likely to show a dependence on padding first."""
    lengths = call.signature.function.lengths
    if any(call.inputs[name].size == 0 for name in lengths):
        return
    has_one_id = any(
        call.inputs[name].dtype.kind in "iub" and np.ptp(call.inputs[name].astype("int64")) == 0
        for name in lengths
    )
    for id_count in (*ID_COUNTS, None) if has_one_id else (None,):
        # The longer size may exceed what the model accepts, and the shorter one be too short.
        for shortens in (True, False):
            trial = _make_trial(call, id_count, shortens)
            if _count_steps(trial.padded) > _count_steps(trial.request):
                yield trial


def _make_trial(call: Call, id_count: int | None, shortens: bool) -> PaddingTrial:
    """Draw a request from the example's values, and pad it.

    Args:
        call: The example.
        id_count: If not None, ids below this number are drawn for integer sequences that hold only
            one value in the example.
        shortens: Whether the request is half as long as the example, and padded to its length;
            otherwise it is as long as the example.
    """
    random = np.random.default_rng(0)
    request, padded, sizes = dict(call.inputs), dict(call.inputs), {}
    specs = {spec.name: spec for spec in call.signature.inputs}
    for name, length_name in call.signature.function.lengths.items():
        size_name, size = specs[name].shape[1], call.inputs[name].shape[1]
        shorter, longer = ((size + 1) // 2, size) if shortens else (size, size + PADDED_ELEMENTS)
        if isinstance(size_name, int):
            shorter = longer = size
        below = specs[name].below
        id_limit = min(id_count, below) if id_count and isinstance(below, int) else id_count
        if isinstance(below, str):  # The example's own ids are below that size.
            id_limit = None
        steps = _draw_steps(random, call.inputs[name], call.inputs[length_name], longer, id_limit)
        request[name], padded[name] = steps[:, :shorter], steps
        request[length_name] = padded[length_name] = np.full(len(steps), shorter, "int32")
        if isinstance(size_name, str):
            sizes[size_name] = shorter, longer
    for name, spec in specs.items():  # Other axes of the same size must match.
        for axis, size_name in enumerate(spec.shape):
            if axis > 0 and size_name in sizes:
                shorter, longer = sizes[size_name]
                request[name] = request[name].take(range(shorter), axis)
                missing = longer - padded[name].shape[axis]
                if missing > 0:
                    shape = list(padded[name].shape[1:])
                    shape[axis - 1] = longer
                    padded[name] = pad_like_server(padded[name], shape)
    return PaddingTrial(Call(call.signature, request), Call(call.signature, padded))


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
