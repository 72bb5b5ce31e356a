"""The position of each query in its sequence."""

import keras
from keras import ops

from keras_attention.mask.bool_mask import check_mask


def query_positions(query, key, query_mask=None, positions=None):
    """Return the positions passed to a call, or count them from the queries' mask.

    Args:
        query: `(batch, ..., Tq, Dq)`, or `(batch, ..., Dq)` for a single query.
        key: `(batch, ..., Tk, Dk)`.
        query_mask: Bool `(batch, ..., Tq)`, `(batch, ...)` for a single query, or None.
        positions: Int, broadcastable to the query's shape without its width. None = the unmasked
            queries are counted from 0, as an `AttentionDecoder` counts its steps.

    Returns:
        Int, broadcastable to the query's shape without its width; None stands for 0, 1, 2, ...

    Raises:
        ValueError: If the positions have another shape, or are not integers.
    """
    if positions is not None:
        positions = ops.convert_to_tensor(positions)
        dtype = keras.backend.standardize_dtype(positions.dtype)
        if not keras.backend.is_int_dtype(dtype):
            raise ValueError(
                "Expected `positions` to be of an integer dtype. "
                f"Received: positions of dtype {dtype}"
            )
        if len(positions.shape):  # a scalar fits any shape
            check_mask("positions", positions, query.shape[:-1], exact_rank=False)
        return positions
    if query_mask is None or len(query.shape) < len(key.shape):
        return None
    count = ops.cumsum(ops.cast(query_mask, "int32"), axis=-1)
    return ops.maximum(count - 1, 0)
