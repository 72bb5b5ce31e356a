"""Attention by softmax of dot products, without the `(batch, heads, Tq, Tk)` weights."""

import dataclasses

import keras
from keras import ops

from keras_attention.kernels.bias import run_fast_or_safe
from keras_attention.kernels.dot.backend_fused import fused_attention, jax_has_fused_attention
from keras_attention.mask import hide
from keras_attention.normalize.masked import MAX_ABSOLUTE_SCORE
from keras_attention.precision import HALF_PRECISION, saturate_cast

# Replaces a bias of -inf. With a bias, scores are at most a tenth of MAX_ABSOLUTE_SCORE, so that
# the sum of a score and this bias is finite and below MIN_VISIBLE_SCORE.
MASKED_BIAS = -3.3e38


def dot_attention(
    query,
    key,
    value,
    mask,
    seeds=None,
    rate=0.0,
    bias=None,
    is_long=False,
):
    """Compute `softmax(query key^T + bias) value` over the visible keys.

    The numbers are those of the plain steps. TensorFlow and JAX compute them block by block;
    PyTorch, and JAX on a GPU in half precision, by the backend's own fused attention. Queries and
    keys are clipped so that scores are within +-1e38, with a bias within +-1e37.

    Domain: the context is that of the plain steps for inputs of any size. Where large scores give
    one-hot weights, the gradient with respect to the scores is a difference of equal terms: here it
    is a rounding error relative to `upstream . value`, in the plain steps often exactly zero.

    Args:
        query: `(batch, heads, Tq, D)`, scaled, of any float dtype.
        key: `(batch, groups, Tk, D)`, in the query's dtype, where groups divide heads:
            consecutive heads share keys. Keys that no query may attend to must be finite.
        value: `(batch, groups, Tk, Dv)`, in the query's dtype, finite for these keys too.
        mask: A `StructuredMask`.
        seeds: Int32 `(batch, heads, Tq)`, the dropout's `row_seeds`; or None.
        rate: Fraction of the weights to drop.
        bias: Broadcastable to `(batch, heads, Tq, Tk)`, float32 or float64, or None; -inf masks a
            position. At masked positions its value has no effect. Not supported on PyTorch.
        is_long: Whether the sequences are long, in a TensorFlow graph that does not know their
            lengths.

    Returns:
        Context `(batch, heads, Tq, Dv)` in the dtype of `value`, zero for queries without a
        visible key.
    """
    is_simple = seeds is None and bias is None and query.shape[-1] == value.shape[-1]
    if keras.backend.backend() == "torch" or is_simple and jax_has_fused_attention(query):
        return fused_attention(query, key, value, mask)
    if mask.key_mask is not None and mask.key_mask.shape[-1] == 1:  # one column for all keys
        shape = ops.shape(mask.key_mask)[0], mask.keys
        mask = dataclasses.replace(mask, key_mask=ops.broadcast_to(mask.key_mask, shape))
    # Clip queries and keys, which bounds the scores, instead of every block of scores.
    max_score = MAX_ABSOLUTE_SCORE if bias is None else MAX_ABSOLUTE_SCORE / 10
    limit = (max_score / query.shape[-1]) ** 0.5
    if keras.backend.standardize_dtype(query.dtype) != "float16":  # whose range is smaller
        query, key = (ops.clip(x, -limit, limit) for x in (query, key))
    if bias is not None:
        bias = run_fast_or_safe(bias, lambda bias=bias: bias, lambda bias=bias: _make_finite(bias))
        bias = _expand_to_rank_4(bias, query, key)
    dtype = keras.backend.standardize_dtype(value.dtype)
    is_half = dtype in HALF_PRECISION
    if seeds is not None and not is_half:
        value = value / (1 - rate)
    options = {"is_short": False} if is_long else {}
    context = _load_blockwise_attention()(query, key, value, mask, seeds, rate, bias, **options)
    if seeds is not None and is_half:  # dividing the values would round them once more
        context = ops.divide(context, 1 - rate)
    context = saturate_cast(context, dtype)
    has_visible_key = mask.query_has_visible_key()
    return hide(context, None if has_visible_key is None else ops.expand_dims(has_visible_key, -2))


def _make_finite(bias):
    """Clip a bias, and replace -inf, which costs nothing in the blocks, where a mask would."""
    clipped = ops.clip(bias, -MAX_ABSOLUTE_SCORE, MAX_ABSOLUTE_SCORE)
    return ops.where(bias == float("-inf"), MASKED_BIAS, clipped)


def _load_blockwise_attention():
    """Return the backend's function for blocks."""
    if keras.backend.backend() == "jax":
        from keras_attention.kernels.dot.jax.blockwise import blockwise_attention
    else:
        from keras_attention.kernels.dot.tensorflow.blockwise import blockwise_attention
    return blockwise_attention


def _expand_to_rank_4(bias, query, key):
    """Reshape to `(batch or 1, heads or 1, Tq or 1, Tk or 1)`; which axes are 1 is then static."""
    bias = ops.reshape(bias, (*[1] * (4 - len(bias.shape)), *ops.shape(bias)))
    sizes = ops.shape(bias)[0], *ops.shape(query)[1:3], ops.shape(key)[2]
    shape = [n if m != 1 else 1 for n, m in zip(sizes, bias.shape, strict=True)]
    return bias if None not in bias.shape[1:] else ops.broadcast_to(bias, shape)
