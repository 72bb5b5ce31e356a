"""Requests that show whether the answers of signatures with lengths depend on padding."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from keras_attention.export.checks.model_outputs import compute_expected_outputs, compute_outputs
from keras_attention.export.checks.outputs import PaddingTrial
from keras_attention.export.checks.padded_requests import make_trial, repeat_rows
from keras_attention.export.checks.server_padding import PADDED_ELEMENTS
from keras_attention.export.requests.call import Call
from keras_attention.export.signatures.reference import get_lengths
from keras_attention.export.signatures.spec import BATCH

# The number of ids that a model knows is unknown, so larger numbers of ids are tried first.
ID_COUNTS = (1000, 100, 10)
# Values are drawn for each row, because those of a few rows may not show that padding is read.
ROWS_OF_EQUAL_LENGTHS = 8
ROWS_OF_DIFFERENT_LENGTHS = 4  # The model runs once for each.


def make_padding_trials(calls: Sequence[Call], stacklevel: int = 2) -> list[PaddingTrial]:
    """Make trials for each signature with lengths, with drawn values.

    In the first trial all rows have about half the padded length, in the second the length 1,
    beside which padding has the largest effect. In the third the lengths differ, and each row is
    compared with the answer to this row alone. If the model fails at a length of 1, longer ones are
    tried. A signature for which it fails at all lengths is reported by a warning.

    Args:
        calls: The examples of all signatures.
        stacklevel: 2 for the line that calls this function, as in `warnings.warn`.
    """
    longest = {}  # by the signature's name
    for call in calls:
        if get_lengths(call.signature.function):
            other = longest.get(call.signature.name, call)
            longest[call.signature.name] = max(other, call, key=_count_steps)
    trials = []
    for name, call in longest.items():
        kinds = [(True, False), (True, True), (False, True)]
        results = [_find_trial(call, *kind) for kind in kinds]
        trials.extend(one for one in results if isinstance(one, PaddingTrial))
        errors = [one for one in results if isinstance(one, Exception)]
        if errors:
            warnings.warn(
                f"Expected signature {name!r} to accept requests of other lengths, to check that "
                "padding does not change its answers. This was not checked. Pass an `example` with "
                f"longer sequences of valid values. Received: {errors[0]}",
                stacklevel=stacklevel,
            )
    return trials


def _count_steps(call: Call) -> int:
    """Return the total length of all sequences of a call."""
    return sum(call.inputs[name].shape[1] for name in get_lengths(call.signature.function))


def _find_trial(
    call: Call, has_equal_lengths: bool, has_length_one: bool
) -> PaddingTrial | Exception | None:
    """Return the first trial that the model accepts, or its error; None if there is no trial."""
    error = None
    for trial in _list_trials(call, has_equal_lengths, has_length_one):
        try:
            for request in trial.requests:
                compute_expected_outputs(request)
            compute_outputs(trial.padded)
        except Exception as caught:  # The model may raise anything for an id or a size.
            error = caught
        else:
            return trial
    return error


def _list_trials(
    call: Call, has_equal_lengths: bool, has_length_one: bool
) -> Iterator[PaddingTrial]:
    """Yield trials, those that are most likely to show a dependence on padding first."""
    lengths = get_lengths(call.signature.function)
    specs = {spec.name: spec for spec in call.signature.inputs}
    if any(call.inputs[name].size == 0 for name in lengths):
        return
    # Along another axis than the batch, the model may combine rows, or accept only their number.
    if all(specs[name].shape[0] == BATCH for name in lengths):
        rows = ROWS_OF_EQUAL_LENGTHS if has_equal_lengths else ROWS_OF_DIFFERENT_LENGTHS
        call = repeat_rows(call, rows)
    elif not has_equal_lengths:
        return
    has_one_id = any(
        call.inputs[name].dtype.kind in "iub" and np.ptp(call.inputs[name].astype("int64")) == 0
        for name in lengths
    )
    sizes = {name: call.inputs[name].shape[1] for name in lengths}
    half = {name: ((size + 1) // 2, size) for name, size in sizes.items()}
    # The longer size may exceed what the model accepts, and a shorter one be too short.
    ranges = [half, {name: (size, size + PADDED_ELEMENTS) for name, size in sizes.items()}]
    if has_length_one:
        ranges.insert(0, {name: (1, size) for name, size in sizes.items()})
    for id_count in (*ID_COUNTS, None) if has_one_id else (None,):
        for shortest_and_longest in ranges:
            trial = make_trial(call, id_count, shortest_and_longest, has_equal_lengths)
            if _count_steps(trial.padded) > _count_steps(trial.requests[-1]):
                yield trial
