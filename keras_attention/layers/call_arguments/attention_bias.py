"""What a user adds to the scores, such as biases of relative positions: checked and prepared."""

import keras
from keras import ops

from keras_attention.layers.call_arguments.masks import check_mask


def prepare_attention_bias(bias, query, keys, heads, dtype):
    """A call's `attention_bias` as it goes with the scores.

    Args:
        bias: Float, broadcastable to `(batch, ..., heads, Tq, Tk)` (to `(batch, ..., heads, Tk)`
            for a single query), or None.
        query: `(batch, ..., Tq, Dq)`, or `(batch, ..., Dq)` for a single query.
        keys: `(batch, ..., Tk, any)`.
        heads: Number of heads.
        dtype: Dtype of the scores.

    Returns:
        Of rank 2 at least, broadcastable to `(batch, ..., heads, Tq, Tk)`; None if `bias` is.

    Raises:
        ValueError: If it is not of floats, or its shape does not go with query and keys.
    """
    if bias is None:
        return None
    bias = ops.convert_to_tensor(bias)
    check_attention_bias(bias, query, keys, heads)
    bias = ops.cast(bias, dtype)
    is_single = len(query.shape) < len(keys.shape)
    return ops.expand_dims(bias, -2) if is_single or len(bias.shape) == 1 else bias


def check_attention_bias(bias, query, keys, heads):
    """Refuses what `prepare_attention_bias` would; also of symbolic tensors."""
    if bias is None:
        return
    dtype = keras.backend.standardize_dtype(bias.dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            f"Expected `attention_bias` of floats. Received: attention_bias of dtype {dtype}"
        )
    *outer, count, _ = keys.shape
    shape = (*outer, heads, *query.shape[len(outer) : -1], count)
    check_mask("attention_bias", bias, shape, exact_rank=False)
