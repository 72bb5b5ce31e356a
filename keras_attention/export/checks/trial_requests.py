"""Run requests of every signature in a new process, as a server would answer them."""

import itertools
import os
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from keras_attention.export.checks.batching import (
    Answer,
    Batch,
    Call,
    find_batching_remarks,
    join_requests,
)
from keras_attention.export.checks.c_loader.model import (
    INVALID_ARGUMENT,
    OUT_OF_RANGE,
    LoaderError,
)
from keras_attention.export.checks.fresh_process import try_calls
from keras_attention.export.checks.graph import (
    STATE_CHANGING_OPS,
    UNSEEDED_SAMPLING_OPS,
)
from keras_attention.export.checks.outputs import is_close
from keras_attention.export.checks.reachable import collect_reachable, list_signatures
from keras_attention.export.checks.server_padding import find_padding_remarks, pad_call
from keras_attention.export.printable import shorten_error
from keras_attention.export.requests.made_up import make_up_requests

BAD_REQUEST = (INVALID_ARGUMENT, OUT_OF_RANGE)  # The values do not fit; the model may be right.


class Trial(NamedTuple):
    """Requests with their answers, and the same requests padded and joined into batches."""

    calls: list[Call]
    answers: list[Answer]
    padded_answers: list[Answer | None]  # None for a call that cannot be padded
    batches: list[Batch]
    batch_answers: list[list[Answer]]
    made_up: list[str]  # signatures without warm-up requests
    seconds: float


def try_requests(
    path: str | os.PathLike,
    meta,
    warmup: Sequence[Call],
    timeout: float,
    disable_xla: bool = True,
) -> Trial:
    """Load a SavedModel, run its warm-up requests, and made-up ones of signatures without any.

    Args:
        path: The version directory.
        meta: Its MetaGraphDef.
        warmup: The warm-up requests, a list of `(signature, inputs)`.
        timeout: Seconds for each process.
        disable_xla: As in `run_in_c_loader`.

    Raises:
        RuntimeError: If the model cannot be loaded, or the process is killed or takes too long.
    """
    signatures = list_signatures(meta)
    without = sorted(signatures.keys() - {name for name, _ in warmup})
    made_up = [(name, x) for name in without for x in make_up_requests(signatures[name])]
    operations = {name: _list_operations(meta, signatures[name]) for name in signatures}
    sampling = {name for name in signatures if operations[name] & UNSEEDED_SAMPLING_OPS}
    changing = {name for name in signatures if operations[name] & STATE_CHANGING_OPS} | sampling
    # All calls run in one process, because loading may take long. Those that change a state are
    # last, because the others, whose answers are compared, may depend on the state too.
    first = [call for call in (*warmup, *made_up) if call[0] not in changing]
    last = [call for call in (*warmup, *made_up) if call[0] in changing]
    first_padded = [pad_call(meta, call) for call in first]
    last_padded = [None if call[0] in sampling else pad_call(meta, call) for call in last]
    batches = join_requests(meta, first)
    joined = [call for batch in batches for call in batch.list_calls()]
    started = time.monotonic()
    results = iter(
        try_calls(path, [*first, *filter(None, first_padded), *joined, *last], disable_xla, timeout)
    )
    answers = list(itertools.islice(results, len(first)))
    padded_answers = [next(results) if call else None for call in first_padded]
    batch_answers = [[next(results) for _ in batch.list_calls()] for batch in batches]
    answers += results
    if any(last_padded):  # A new process starts from the same state as the first one.
        repeated = [padded or call for call, padded in zip(last, last_padded, strict=True)]
        results = iter(try_calls(path, repeated, disable_xla, timeout))
    else:
        results = itertools.repeat(None)
    padded_answers += [
        result if call else None for call, result in zip(last_padded, results, strict=False)
    ]
    seconds = time.monotonic() - started
    return Trial([*first, *last], answers, padded_answers, batches, batch_answers, without, seconds)


def find_failures(trial: Trial) -> Iterator[str]:
    """Yield a problem for each signature whose requests fail, whatever their values."""
    for name, answers in _group_by_signature(trial).items():
        errors = [answer for answer in answers if isinstance(answer, LoaderError)]
        if errors and name not in trial.made_up:
            yield (
                "Expected answers to the warm-up requests, because a server refuses a version "
                f"whose warm-up fails. Received for signature {name!r}: {shorten_error(errors[0])}"
            )
        elif name in trial.made_up and len(errors) == len(answers):
            failures = [error for error in errors if error.code not in BAD_REQUEST]
            if failures:
                yield (
                    "Expected an answer to a made-up request (there are no warm-up requests). "
                    f"Received for signature {name!r}: {shorten_error(failures[0])}"
                )


def find_trial_remarks(trial: Trial, half: set[tuple[str, str]]) -> list[str]:
    """Return remarks about signatures that were not tried, or that padding or joining changes.

    A dependence on padding or on other rows that none of the requests exposes is not detected.

    Args:
        trial: The trial.
        half: The outputs, as `(signature, output)`, to which the tolerance for half precision of
            `check_outputs` applies.
    """

    def is_equal(name: str, key: str, array: np.ndarray, expected: np.ndarray) -> bool:
        return array.dtype == expected.dtype and bool(
            np.all(is_close(array, expected, (name, key) in half))
        )

    remarks = set()
    for (name, _), answer, padded in zip(
        trial.calls, trial.answers, trial.padded_answers, strict=True
    ):
        if padded is not None and not isinstance(answer, LoaderError):
            remarks.update(find_padding_remarks(name, answer, padded, is_equal))
    for batch, answers in zip(trial.batches, trial.batch_answers, strict=True):
        remarks.update(find_batching_remarks(batch, answers, is_equal))
    return [*_describe_made_up_requests(trial), *sorted(remarks)]


def _describe_made_up_requests(trial: Trial) -> Iterator[str]:
    """Yield a remark for each signature without warm-up requests."""
    answers = _group_by_signature(trial)
    for name in trial.made_up:
        errors = [a for a in answers.get(name, []) if isinstance(a, LoaderError)]
        if name not in answers:
            yield f"not tried: no warm-up requests, and none can be made up for its inputs: {name}"
        elif len(errors) < len(answers[name]):
            yield f"answered a made-up request, because it has no warm-up requests: {name}"
        elif all(error.code in BAD_REQUEST for error in errors):
            yield (
                "not tried: no warm-up requests, and those that were made up do not fit: "
                f"{name}: {shorten_error(errors[0])}"
            )


def _group_by_signature(trial: Trial) -> dict[str, list[Answer]]:
    """Return the answers of each signature that was called."""
    groups = {}
    for (name, _), answer in zip(trial.calls, trial.answers, strict=True):
        groups.setdefault(name, []).append(answer)
    return groups


def _list_operations(meta, signature) -> set[str]:
    """Return the operations that a signature runs."""
    tensors = [info.name for info in signature.outputs.values()]
    return {node.op for node in collect_reachable(meta, tensors)[0]}
