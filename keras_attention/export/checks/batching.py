"""Detect signatures whose rows depend on the other rows of a batch."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from keras_attention.export.checks.c_loader.model import LoaderError
from keras_attention.export.checks.reachable import list_signatures
from keras_attention.export.checks.signature_tensors import has_batch_axis
from keras_attention.export.printable import shorten_error

MAX_ROWS = 6  # of one batch
MAX_BATCHES = 4  # of one signature

Call = tuple[str, dict[str, np.ndarray]]
"""`(signature, inputs)`."""

Answer = dict[str, np.ndarray] | LoaderError
"""Output by name, or the error."""

IsEqual = Callable[[str, str, np.ndarray, np.ndarray], bool]
"""Whether an array of a signature's output equals the expected one up to rounding."""


class Batch(NamedTuple):
    """A signature's requests, joined as a server joins them, and each of their rows alone."""

    signature: str
    joined: dict[str, np.ndarray]
    rows: list[dict[str, np.ndarray]]

    def list_calls(self) -> list[Call]:
        """Return the joined request and those of the rows as `(signature, inputs)`."""
        return [(self.signature, inputs) for inputs in (self.joined, *self.rows)]


def join_requests(meta, calls: Sequence[Call]) -> list[Batch]:
    """Join the requests of each signature that have the same sizes.

    Args:
        meta: MetaGraphDef.
        calls: List of `(signature, inputs)`. Those of signatures without a batch axis are left out.

    Returns:
        List of `Batch`, of two rows at least.
    """
    signatures, groups = list_signatures(meta), {}
    for name, inputs in calls:
        if _can_be_joined(signatures.get(name), inputs):
            shapes = tuple(sorted((key, array.shape[1:]) for key, array in inputs.items()))
            groups.setdefault(name, {}).setdefault(shapes, []).append(inputs)
    batches = [
        _join(name, requests)
        for name, by_shapes in groups.items()
        for requests in [*by_shapes.values()][:MAX_BATCHES]
    ]
    return [batch for batch in batches if len(batch.rows) > 1]


def find_batching_remarks(
    batch: Batch, answers: Sequence[Answer], is_equal: IsEqual
) -> Iterator[str]:
    """Yield a remark for each output whose rows differ from the answers to the rows alone.

    Args:
        batch: The batch.
        answers: The answers to `batch.list_calls()`. Rows that are refused alone are not compared.
        is_equal: `(signature, output, array, expected)` -> whether arrays of the same shape are
            equal up to rounding.
    """
    joined, *alone = answers
    answered = {row: one for row, one in enumerate(alone) if not isinstance(one, LoaderError)}
    if isinstance(joined, LoaderError):
        if len(answered) == len(alone):
            yield (
                "refuses requests that a server joins (--enable_batching), but answers each of "
                f"them alone: {batch.signature}: {shorten_error(joined)}"
            )
        return
    for key, array in sorted(joined.items()):
        rows = {row: answer[key] for row, answer in answered.items()}
        compare = functools.partial(is_equal, batch.signature, key)
        change = _describe_change(array, len(alone), rows, compare)
        if change:
            yield (
                "not for a server that batches requests (--enable_batching), because "
                f"{change}: {batch.signature}, output {key}"
            )


def _can_be_joined(signature, inputs: dict[str, np.ndarray]) -> bool:
    """Return True if all inputs and outputs have a batch axis of any size."""
    if signature is None or inputs.keys() != set(signature.inputs):
        return False
    infos = (*signature.inputs.values(), *signature.outputs.values())
    sizes = {array.shape[:1] for array in inputs.values()}
    return (
        all(info.tensor_shape.unknown_rank or has_batch_axis(info) for info in infos)
        and len(sizes) == 1
        and () not in sizes
    )


def _join(name: str, requests: Sequence[dict[str, np.ndarray]]) -> Batch:
    """Return the `Batch` of requests with equal sizes, cut to `MAX_ROWS`."""
    joined = {
        key: np.concatenate([inputs[key] for inputs in requests])[:MAX_ROWS] for key in requests[0]
    }
    count = len(next(iter(joined.values())))
    rows = [{key: array[row : row + 1] for key, array in joined.items()} for row in range(count)]
    return Batch(name, joined, rows)


def _describe_change(
    array: np.ndarray, count: int, rows: dict[int, np.ndarray], is_equal: Callable
) -> str | None:
    """Describe how a joined output differs from the rows' own outputs; None if it does not."""
    if array.shape[:1] != (count,):
        return "it does not return one row for each row of the request"
    if any(alone.shape != (1, *array.shape[1:]) for alone in rows.values()):
        return "the size of a row depends on the other rows"
    if not all(is_equal(array[row : row + 1], alone) for row, alone in rows.items()):
        return "the values of a row depend on the other rows"
    return None
