"""Which keys each block of queries has to meet: under a causal mask or a window not all of them."""

import collections

from keras import ops

# Scores of one block: 8 MB of float32, the most that stays in a core's reach while worked on.
SCORES = 2**21
# Under a causal mask the blocks fall into this many groups, each with keys as far as it sees.
GROUPS = 8
# So many where the sizes are not known yet: every group is a loop of its own in the graph.
OPEN_GROUPS = 4
# And a wider window than this has no band then: of few keys it would be made for nothing.
OPEN_WINDOW = 1024

Segment = collections.namedtuple("Segment", ["first", "count", "columns", "pieces", "width"])
Segment.__doc__ = """Consecutive blocks of queries that meet equally many keys.

    first: number of the first block; count: how many blocks; columns: how many keys each meets;
    pieces: in how many pieces; width: keys of a piece, the last of which may reach beyond.
"""
Layout = collections.namedtuple("Layout", ["rows", "blocks", "segments", "band", "over"])
Layout.__doc__ = """How queries and keys are cut.

    rows: queries of a block, an int; blocks: how many blocks; segments: list of `Segment`; band:
    None where every block meets the keys from the first on, else a `Band`; over: how many keys
    the last piece of any reaches beyond at most.
"""
Band = collections.namedtuple("Band", ["front", "back", "first"])
Band.__doc__ = """Block i meets the keys from `first + i * rows` on of keys that are padded.

    front, back: how many places to pad with; first: where the first block's keys begin.
"""


def layout(visible, rows=None):
    """The `Layout` of a `StructuredMask`.

    Args:
        visible: A `StructuredMask`.
        rows: Queries of a block, an int; None = by the sizes.

    Example:
    >>> from keras_attention.kernels.dot.block_layout import layout
    >>> from keras_attention.mask.structured_mask import Visible
    >>> [segment.columns for segment in layout(Visible(6, 6, causal=True), rows=2).segments]
    [2, 4, 6]
    >>> [segment.columns for segment in layout(Visible(60, 60, window=1), rows=2).segments]
    [4]
    """
    queries, keys = visible.queries, visible.keys
    rows = rows or _rows(visible)
    most = max(SCORES // rows, 1)  # keys that one block may have
    blocks = -(-queries // rows)
    offset = keys - queries  # a query stands at its number plus this
    if visible.window is not None:
        columns = rows + visible.window * (1 if visible.causal else 2)
        if columns < keys if isinstance(keys, int) else visible.window <= OPEN_WINDOW:
            skipped = _largest(offset, 0)
            front = visible.window + skipped - offset
            back = _largest((blocks - 1) * rows + skipped + columns - front - keys, 0)
            band = Band(front, back, skipped)
            return _layout(rows, blocks, [_segment(0, blocks, columns, most)], band)
    if not visible.causal:
        return _layout(rows, blocks, [_segment(0, blocks, keys, most)], None)
    groups = min(blocks, GROUPS) if isinstance(blocks, int) else OPEN_GROUPS
    segments = []
    for group in range(groups):
        first, end = blocks * group // groups, blocks * (group + 1) // groups
        columns = _smallest(_largest(end * rows + offset, 1), keys)
        segments.append(_segment(first, end - first, columns, most))
    return _layout(rows, blocks, segments, None)


def _segment(first, count, columns, most):
    pieces = _largest(-(-columns // most), 1)
    return Segment(first, count, columns, pieces, -(-columns // pieces))


def _layout(rows, blocks, segments, band):
    over = 0
    for segment in segments:
        over = _largest(over, segment.pieces * segment.width - segment.columns)
    return Layout(rows, blocks, segments, band, over)


def _rows(visible):
    """Queries of a block: as many as keep its scores near `SCORES`, evenly shared out."""
    queries, keys = visible.queries, visible.keys
    rows = min(SCORES // (keys if isinstance(keys, int) else 4096), 512)
    if rows < 128:  # then keys are cut in pieces, which pays for many queries at a time
        rows = 512
    if visible.window is not None:  # a band's corners are work for nothing
        rows = min(rows, max(128, visible.window))
    if not isinstance(queries, int):
        return rows
    if visible.causal:  # with a single block there would be nothing to skip
        rows = min(rows, max(128, queries // 4))
    return -(-queries // -(-queries // rows))


def _largest(a, b):
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else ops.maximum(a, b)


def _smallest(a, b):
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else ops.minimum(a, b)
