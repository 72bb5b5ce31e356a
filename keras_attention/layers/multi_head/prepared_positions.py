"""Positions and window of queries that attend to a prepared memory."""

from keras import ops

from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.mask import combine, hide
from keras_attention.mask.structured_mask import StructuredMask


def align_positions(positions, queries, keys, is_single):
    """Return the queries' positions among the keys, int `(batch or 1, Tq)`.

    Args:
        positions: Int `(batch, Tq)`, or `(batch,)` if `is_single`; None gives the last query the
            position of the last key.
        queries: Number of queries, an int or a scalar tensor.
        keys: Number of keys, an int or a scalar tensor.
        is_single: Whether there is one query per sequence, without an axis of queries.
    """
    if positions is None:
        positions = (ops.arange(queries, dtype="int32") + (keys - queries))[None]
    elif is_single:
        positions = positions[:, None]
    return positions


def mask_prepared_memory(memory, queries, positions, window):
    """Add a window to the memory's dense mask, and zero the keys and values that it masks.

    `prepare` has zeroed only the positions that its own mask masks; a window or a cache may mask
    more.

    Args:
        memory: A `PreparedMemory` whose mask is dense, or None.
        queries: Number of queries, an int or a scalar tensor.
        positions: The positions that `align_positions` returned; used only with a window.
        window: Number of keys visible on either side of a query's position; None = all keys.

    Returns:
        The `PreparedMemory`, masked.
    """
    mask, keys = memory.mask, ops.shape(memory.keys)[-2]
    if window is not None:
        distance = ops.abs(ops.subtract(ops.arange(keys, dtype="int32"), positions[..., None]))
        mask = combine(mask, distance <= window)
    visible = StructuredMask(queries, keys, pairs=mask).key_is_visible()
    if visible is None:
        return memory
    visible = ops.expand_dims(visible, -2)
    return PreparedMemory(hide(memory.keys, visible), hide(memory.values, visible), mask)
