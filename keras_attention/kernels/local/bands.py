"""Queries in blocks that read one band of keys each: the windows of neighbours overlap.

Of 2D + 1 keys around each of b consecutive queries no more than b + 2D differ. A block of one
query has its window for a band.
"""

from keras import ops

from keras_attention.kernels.local.windows import gather_window, spread_window

# Queries of a block at least: in a product of fewer, moving keys is what takes the time.
FEWEST = 32
# And where every pair costs a hidden layer: a band's corners, outside of all windows, are dear.
FEWEST_OF_HIDDEN = 8


def rows_of_block(queries, width, is_product=True):
    """How many queries make a block, an int.

    Args:
        queries: Number of queries Tq, an int or a scalar tensor.
        width: How far a window reaches on either side, an int.
        is_product: Whether the scores are matrix products.

    Example:
    >>> from keras_attention.kernels.local.bands import rows_of_block
    >>> rows_of_block(100, 10), rows_of_block(100, 10, is_product=False), rows_of_block(5, 10)
    (25, 8, 5)
    """
    rows = max(FEWEST, width) if is_product else max(FEWEST_OF_HIDDEN, width // 2)
    return -(-queries // -(-queries // rows)) if isinstance(queries, int) else rows


def cut(x, rows, axis=-2):
    """`(..., Tq, ...)` with its `axis`, negative, cut: `(..., blocks, rows, ...)`.

    Args:
        x: Tensor; what the last block lacks is zero.
        rows: Queries of a block, an int.
        axis: Where the queries are.

    Example:
    >>> from keras_attention.kernels.local.bands import cut
    >>> cut(np.arange(1, 6), 3, axis=-1).numpy()
    array([[1, 2, 3],
           [4, 5, 0]])
    """
    if rows == 1:
        return ops.expand_dims(x, axis)
    x, inner = ops.convert_to_tensor(x), -1 - axis
    over = -ops.shape(x)[axis] % rows
    if not isinstance(over, int) or over:
        outer = len(x.shape) - 1 - inner
        x = ops.pad(x, [*[(0, 0)] * outer, (0, over), *[(0, 0)] * inner])
    shape = ops.shape(x)
    outer, inner = shape[:axis], shape[len(shape) - inner :]
    return ops.reshape(x, (*outer, -1, rows, *inner))


def joined(x, queries):
    """The way back of blocks `(..., blocks, rows, any)`: `(..., Tq, any)`."""
    *outer, blocks, rows, width = ops.shape(x)
    if x.shape[-2] == 1:
        return ops.squeeze(x, -2)
    x = ops.reshape(x, (*outer, blocks * rows, width))
    return x if _is_same(blocks * rows, queries) else x[..., :queries, :]


def full_rows(weights, places, queries, keys):
    """Weights of bands as rows of all keys.

    Args:
        weights: `(batch, ..., blocks, rows, columns)`.
        places: Int, broadcastable to `(batch, ..., blocks, columns)`: which keys they are of.
        queries, keys: Their numbers Tq and Tk.

    Returns:
        `(batch, ..., Tq, Tk)`.
    """
    return joined(spread_window(weights, ops.expand_dims(places, -2), keys), queries)


def sight(visible, seen, places, rows):
    """Which keys of its band each query of a block may see.

    Args:
        visible: A `Visible`.
        seen: Bool `(batch, ..., Tk)`, also with ones for sizes: the keys that any query may see.
        places: Int `(batch, ..., blocks, columns)`: which keys are the band.
        rows: Queries of a block.

    Returns:
        Bool, broadcastable to `(batch, ..., blocks, rows, columns)`.
    """
    found = ops.expand_dims(gather_window(seen[..., None], places)[..., 0], -2)
    if visible.causal:
        last = ops.arange(visible.queries, dtype="int32") + (visible.keys - visible.queries)
        last = cut(last, rows, axis=-1)[..., None]
        found = ops.logical_and(found, ops.expand_dims(places, -2) <= last)
    # Where one mask of keys goes for all queries, it is in `seen`.
    if visible.pairs is None or visible.pairs.shape[-2] == 1:
        return found
    lone = [1] * (len(seen.shape) - 1)
    everywhere = ops.ones((*lone, visible.queries, visible.keys), "bool")
    pairs = cut(ops.logical_and(visible.pairs, everywhere), rows)
    pairs = gather_window(pairs[..., None], ops.expand_dims(places, -2))[..., 0]
    return ops.logical_and(found, pairs)


def _is_same(a, b):
    return isinstance(a, int) and isinstance(b, int) and a == b
