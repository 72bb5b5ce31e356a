"""The `attention_bias` argument, added to the scores (relative position biases, for example)."""

import dataclasses

import keras
from keras import ops

from keras_attention.mask import combine
from keras_attention.mask.bool_mask import check_mask
from keras_attention.tensors import check_tensors, convert_argument


def prepare_attention_bias(bias, query, keys, heads, dtype):
    """Check a call's `attention_bias`, cast it, and add an axis of queries if it has none.

    Args:
        bias: Float, broadcastable to `(batch, ..., heads, Tq, Tk)` (to `(batch, ..., heads, Tk)`
            for a single query), or None.
        query: `(batch, ..., Tq, Dq)`, or `(batch, ..., Dq)` for a single query.
        keys: `(batch, ..., Tk, width)`.
        heads: Number of heads.
        dtype: Dtype of the scores.

    Returns:
        Tensor of rank 2 or more, broadcastable to `(batch, ..., heads, Tq, Tk)`; None without a
        bias.

    Raises:
        ValueError: If the bias is not of a float dtype, or its shape does not fit query and keys.
    """
    if bias is None:
        return None
    bias = ops.convert_to_tensor(convert_argument("attention_bias", bias))
    check_attention_bias(bias, query, keys, heads)
    bias = ops.cast(bias, dtype)
    is_single = len(query.shape) < len(keys.shape)
    return ops.expand_dims(bias, -2) if is_single or len(bias.shape) == 1 else bias


def mask_excluded_keys(mask, bias):
    """Mask the query-key pairs whose bias is -inf in every head.

    A pair whose bias is -inf only in some heads stays visible here. In these heads it is masked
    when the bias is added to the scores.

    Args:
        mask: A `StructuredMask`.
        bias: The bias that `prepare_attention_bias` returned.

    Returns:
        A `StructuredMask`.
    """
    visible = ops.not_equal(bias, float("-inf"))
    visible = ops.any(visible, axis=-3) if len(bias.shape) > 2 else visible
    visible = visible if len(visible.shape) > 2 else ops.expand_dims(visible, 0)
    if visible.shape[-2] != 1:
        return dataclasses.replace(mask, pairs=combine(mask.pairs, visible))
    # The bias is the same for all queries: a key mask avoids a (Tq, Tk) tensor.
    visible = ops.broadcast_to(visible[..., 0, :], (*ops.shape(visible)[:-2], mask.keys))
    return dataclasses.replace(mask, key_mask=combine(mask.key_mask, visible))


def check_attention_bias(bias, query, keys, heads):
    """Raise a ValueError if the bias, which may be symbolic, does not fit query and keys."""
    if bias is None:
        return
    check_tensors("attention_bias", bias)
    dtype = keras.backend.standardize_dtype(bias.dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            "Expected `attention_bias` to be of a float dtype. "
            f"Received: attention_bias of dtype {dtype}"
        )
    *outer, key_count, _ = keys.shape
    shape = (*outer, heads, *query.shape[len(outer) : -1], key_count)
    check_mask("attention_bias", bias, shape, exact_rank=False)
