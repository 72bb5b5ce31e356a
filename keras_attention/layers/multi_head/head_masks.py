"""An `attention_mask` with an axis of heads, as in `keras.layers.MultiHeadAttention`."""

from keras import ops

from keras_attention.mask.bool_mask import check_mask, pair_shape, to_bool_mask


def split_head_mask(attention_mask, query, key, heads):
    """Split an `attention_mask` into a mask for all heads, and one with an axis of heads.

    Args:
        attention_mask: Bool, broadcastable to `(batch, ..., heads, Tq, Tk)` (to `(batch, ...,
            heads, Tk)` for a single query), or of lower rank, without an axis of heads.
        query: `(batch, ..., Tq, Dq)`, or `(batch, ..., Dq)` for a single query.
        key: `(batch, ..., Tk, Dk)`.
        heads: Number of heads.

    Returns:
        Two masks. The first has no axis of heads, and is True where at least one head's mask is
        True. The second is the mask itself, `(batch, ..., heads, Tq, Tk)`, or None if all heads
        share one mask.

    Raises:
        ValueError: If it is not a mask, or its shape does not fit.
    """
    attention_mask = to_bool_mask("attention_mask", attention_mask)
    shape = pair_shape(query, key, heads=(heads,))
    if len(attention_mask.shape) != len(shape):
        return attention_mask, None
    check_mask("attention_mask", attention_mask, shape, exact_rank=False)
    axis = len(key.shape) - 2
    if attention_mask.shape[axis] == 1:
        return ops.squeeze(attention_mask, axis), None
    is_single = len(query.shape) < len(key.shape)
    head_mask = ops.expand_dims(attention_mask, -2) if is_single else attention_mask
    return ops.any(attention_mask, axis=axis), head_mask


def add_head_mask(bias, head_mask, dtype):
    """Return the bias with -inf where `head_mask` is False. Both arguments may be None."""
    if head_mask is None:
        return bias
    bias = ops.zeros((), dtype) if bias is None else bias
    return ops.where(head_mask, bias, ops.cast(float("-inf"), dtype))
