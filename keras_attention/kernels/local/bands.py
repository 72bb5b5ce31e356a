"""Blocks of queries that share a band of keys, because the windows of neighbors overlap.

The windows of b consecutive queries, 2D + 1 keys each, cover at most b + 2D different keys. If a
block is a single query, its band is its window.
"""

from keras import ops

from keras_attention.kernels import tuning
from keras_attention.kernels.local.windows import gather_window, spread_window


def rows_per_band(queries, width, is_product=True):
    """Return the number of queries per block, an int.

    Args:
        queries: Number of queries Tq, an int or a scalar tensor.
        width: Number of keys of a window on either side of its center, an int.
        is_product: Whether the scores are matrix products.

    Example:
    >>> from keras_attention.kernels.local.bands import rows_per_band
    >>> rows_per_band(100, 10), rows_per_band(100, 10, is_product=False), rows_per_band(5, 10)
    (25, 8, 5)
    """
    if is_product:
        rows = max(tuning.LOCAL_MIN_ROWS_PER_BAND, width)
    else:
        rows = max(tuning.LOCAL_MIN_ROWS_PER_BAND_ADDITIVE, width // 2)
    return -(-queries // -(-queries // rows)) if isinstance(queries, int) else rows


def split_blocks(x, rows, axis=-2):
    """Split an axis into blocks: `(..., Tq, ...)` -> `(..., blocks, rows, ...)`.

    Args:
        x: Tensor. The last block is padded with zeros.
        rows: Queries per block, an int.
        axis: The axis of the queries, negative.

    Example:
    >>> from keras_attention.kernels.local.bands import split_blocks
    >>> split_blocks(np.arange(1, 6), 3, axis=-1).numpy()
    array([[1, 2, 3],
           [4, 5, 0]])
    """
    if rows == 1:
        return ops.expand_dims(x, axis)
    x, inner = ops.convert_to_tensor(x), -1 - axis
    padding = -ops.shape(x)[axis] % rows
    if not isinstance(padding, int) or padding:
        outer = len(x.shape) - 1 - inner
        x = ops.pad(x, [*[(0, 0)] * outer, (0, padding), *[(0, 0)] * inner])
    shape = ops.shape(x)
    outer, inner = shape[:axis], shape[len(shape) - inner :]
    return ops.reshape(x, (*outer, -1, rows, *inner))


def merge_blocks(x, queries):
    """Reverse `split_blocks`: `(..., blocks, rows, width)` -> `(..., Tq, width)`."""
    *outer, blocks, rows, width = ops.shape(x)
    if x.shape[-2] == 1:
        return ops.squeeze(x, -2)
    x = ops.reshape(x, (*outer, blocks * rows, width))
    return x if _is_same(blocks * rows, queries) else x[..., :queries, :]


def spread_bands(weights, indices, queries, keys):
    """Spread the weights of bands over rows of all keys.

    Args:
        weights: `(batch, ..., blocks, rows, columns)`.
        indices: Int, broadcastable to `(batch, ..., blocks, columns)`: the positions of their keys.
        queries, keys: Lengths Tq and Tk.

    Returns:
        `(batch, ..., Tq, Tk)`.
    """
    return merge_blocks(spread_window(weights, ops.expand_dims(indices, -2), keys), queries)


def build_band_mask(visible, key_is_visible, indices, rows):
    """Build the mask of each block's queries and the keys of its band.

    Args:
        visible: A `StructuredMask`.
        key_is_visible: Bool `(batch, ..., Tk)`, where the outer axes may have size 1: the keys that
            are visible to any query.
        indices: Int `(batch, ..., blocks, columns)`: the positions of the band's keys.
        rows: Queries per block.

    Returns:
        Bool, broadcastable to `(batch, ..., blocks, rows, columns)`.
    """
    mask = ops.expand_dims(gather_window(key_is_visible[..., None], indices)[..., 0], -2)
    if visible.causal:
        last = ops.arange(visible.queries, dtype="int32") + (visible.keys - visible.queries)
        last = split_blocks(last, rows, axis=-1)[..., None]
        mask = ops.logical_and(mask, ops.expand_dims(indices, -2) <= last)
    # `key_is_visible` includes a mask of keys that is the same for all queries.
    if visible.pairs is None or visible.pairs.shape[-2] == 1:
        return mask
    outer = [1] * (len(key_is_visible.shape) - 1)
    ones = ops.ones((*outer, visible.queries, visible.keys), "bool")
    pairs = split_blocks(ops.logical_and(visible.pairs, ones), rows)
    pairs = gather_window(pairs[..., None], ops.expand_dims(indices, -2))[..., 0]
    return ops.logical_and(mask, pairs)


def _is_same(a, b):
    return isinstance(a, int) and isinstance(b, int) and a == b
