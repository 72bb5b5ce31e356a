"""The blocks of blockwise attention: which keys each block of queries attends to.

Under a causal mask or a window a block does not attend to all keys, and skips the others. Sizes are
ints; on TensorFlow they are scalar tensors where a graph does not know them yet.
"""

from typing import Any, NamedTuple

from keras import ops

from keras_attention.kernels import tuning
from keras_attention.types import Tensor


class Segment(NamedTuple):
    """Consecutive blocks of queries that attend to equally many keys.

    first: index of the first block; count: number of blocks; columns: keys per block; growth: keys
    that each block has more than the one before it, up to all keys and at least one.
    """

    first: Any
    count: Any
    columns: Any
    growth: Any = None


class Band(NamedTuple):
    """Under a window, block i attends to the padded keys from `first + i * rows` on.

    front, back: padding before the first key and after the last one.
    """

    front: Any
    back: Any
    first: Any


class Layout(NamedTuple):
    """Division of queries and keys into blocks.

    rows: queries per block; blocks: number of blocks; segments: list of `Segment`; band: a `Band`,
    or None if every block attends to the keys from the first one on.
    """

    rows: Any
    blocks: Any
    segments: list
    band: Band | None


def layout(visible, rows, is_single: bool | Tensor = False):
    """Return the `Layout` of a `StructuredMask`.

    Args:
        visible: A `StructuredMask`.
        rows: Queries per block, at least 1.
        is_single: Whether there is a single block that attends to all keys, a bool or a scalar
            tensor.

    Example:
    >>> from keras_attention.kernels.dot.block_layout import layout
    >>> from keras_attention.mask.structured_mask import StructuredMask
    >>> causal, window = StructuredMask(6, 6, causal=True), StructuredMask(60, 60, window=1)
    >>> [segment.columns for segment in layout(causal, rows=2).segments]
    [2, 4, 6]
    >>> [segment.columns for segment in layout(window, rows=2).segments]
    [4]
    """
    queries, keys = visible.queries, visible.keys
    # An empty sequence gets one block of padding, so that no array of blocks is empty.
    blocks = _maximum(-(-queries // rows), 1)
    offset = keys - queries  # Query i is aligned with key i + offset.
    if is_single is not True and _has_band(visible, rows):
        columns = _band_columns(visible, rows)
        skipped = _maximum(offset, 0)
        front = visible.window + skipped - offset
        back = _maximum((blocks - 1) * rows + skipped + columns - front - keys, 0)
        columns = choose(is_single, keys, columns)
        band = Band(*(choose(is_single, 0, x) for x in (front, back, skipped)))
        return Layout(rows, blocks, [Segment(0, blocks, columns)], band)
    if not visible.causal:
        return Layout(rows, blocks, [Segment(0, blocks, keys)], None)
    if is_single is False and not isinstance(blocks, int):
        # Without XLA, the size of a slice may change from one iteration to the next.
        return Layout(rows, blocks, [Segment(0, blocks, rows + offset, rows)], None)
    groups = tuning.DOT_CAUSAL_GROUPS_UNKNOWN_LENGTH
    if isinstance(blocks, int):
        groups = min(blocks, tuning.DOT_CAUSAL_GROUPS)
    segments = []
    for group in range(groups):
        first, end = blocks * group // groups, blocks * (group + 1) // groups
        columns = _minimum(_maximum(end * rows + offset, 1), keys)
        segments.append(Segment(first, end - first, columns))
    return Layout(rows, blocks, segments, None)


def rows_per_block(visible, heads=1, is_single: bool | Tensor = False):
    """Return the number of queries per block that keeps its scores in a core's cache.

    Args:
        visible: A `StructuredMask`.
        heads: Number of heads in one block.
        is_single: Whether all queries are to be in a single block, a bool or a scalar tensor.
    """
    queries, columns = visible.queries, visible.keys
    rows, masked_rows = tuning.DOT_MAX_ROWS_PER_BLOCK, tuning.DOT_MIN_MASKED_ROWS_PER_BLOCK
    if visible.window is not None:
        rows = min(rows, max(masked_rows, visible.window))
        columns = _minimum(columns, _band_columns(visible, rows))
    max_rows = tuning.DOT_MAX_SCORES_PER_BLOCK // (_maximum(columns, 1) * heads)
    rows = _minimum(rows, _maximum(max_rows, tuning.DOT_MIN_ROWS_PER_BLOCK))
    if visible.causal:
        rows = _minimum(rows, _maximum(masked_rows, queries // tuning.DOT_MIN_CAUSAL_BLOCKS))
    # Blocks of equal size need the least padding.
    blocks = choose(is_single, 1, _maximum(-(-queries // rows), 1))
    return _maximum(-(-queries // blocks), 1)


def choose(condition, a, b):
    """Return `a` if the condition, a bool or a scalar tensor, is true, else `b`."""
    if isinstance(condition, bool):
        return a if condition else b
    return ops.where(condition, a, b)


def _band_columns(visible, rows):
    return rows + visible.window * (1 if visible.causal else 2)


def _has_band(visible, rows):
    if visible.window is None:
        return False
    if isinstance(visible.keys, int) and isinstance(rows, int):
        return _band_columns(visible, rows) < visible.keys
    return visible.window <= tuning.DOT_MAX_WINDOW_UNKNOWN_LENGTH


def _maximum(a, b):
    return ops.maximum(a, b) if ops.is_tensor(a) or ops.is_tensor(b) else max(a, b)


def _minimum(a, b):
    return ops.minimum(a, b) if ops.is_tensor(a) or ops.is_tensor(b) else min(a, b)
