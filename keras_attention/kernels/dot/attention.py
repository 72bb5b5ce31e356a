"""Softmax of dot products, read: without the table of all weights where that is large."""

import dataclasses
import functools

import keras
from keras import ops

from keras_attention.kernels.dot.backend_fused import fused_attention, jax_fuses
from keras_attention.mask import hide
from keras_attention.normalize.masked import MAX_ABSOLUTE_SCORE

# From this many weights a head on, 512 queries times 512 keys, blocks are no slower than the table.
MANY = 2**18


def can_run_blockwise(query, key, value, implementation="auto", dropped=False, biased=False):
    """Whether `dot_attention` is what should evaluate this: else the plain steps do.

    Args:
        query, key, value: As in `dot_attention`; their shapes count.
        implementation: "plain", "blockwise", or "auto": by the sizes.
        dropped: Whether weights are dropped.
        biased: Whether a bias is added to the scores.
    """
    queries, keys = query.shape[-2], key.shape[-2]
    batches = {query.shape[0], key.shape[0], value.shape[0]}
    # One sequence for all, or for all that ask: the plain steps broadcast.
    is_shared = len(batches - {None}) > 1 or (len(batches) > 1 and 1 in batches)
    if implementation == "plain" or len(query.shape) != 4 or is_shared:
        return False
    if 0 in batches or keys == 0 or queries in (0, 1):
        return False
    if keras.backend.backend() == "torch" and (dropped or biased):
        # PyTorch's own attention does not have the one, and takes no mask besides the other: a
        # table of the two would be spoilt by NaN at a masked place.
        return False
    return implementation == "blockwise" or None in (queries, keys) or _is_large(queries, keys)


def dot_attention(
    query,
    key,
    value,
    visible,
    seeds=None,
    rate=0.0,
    implementation="auto",
    dtype="float32",
    bias=None,
):
    """`softmax(query key^T + bias) value` over the visible keys: the plain steps' numbers.

    Block by block on TensorFlow and JAX; on PyTorch, and in half precision on JAX's GPUs, by the
    backend's own fused attention.

    Args:
        query: `(batch, heads, Tq, D)`, scaled, float32 or float64.
        key: `(batch, groups, Tk, D)`, where groups divide heads: consecutive heads share keys.
            What no query sees must be finite.
        value: `(batch, groups, Tk, Dv)`, likewise.
        visible: A `Visible`.
        seeds: Int32 `(batch, heads, Tq)` of the dropout, as `row_seeds` draws them; or None.
        rate: Fraction of the weights to drop.
        implementation: "blockwise", or "auto": by the sizes, where these become known in a graph.
        dtype: Compute dtype of the layer.
        bias: Broadcastable to `(batch, heads, Tq, Tk)`, in the query's dtype; what masks hide of it
            may be anything. Not on PyTorch; or None.

    Returns:
        Context `(batch, heads, Tq, Dv)`, zero where a query sees nothing.
    """
    is_plain = seeds is None and bias is None and query.shape[-1] == value.shape[-1]
    if keras.backend.backend() == "torch" or is_plain and jax_fuses(dtype):
        return fused_attention(query, key, value, visible, dtype)
    if visible.key_mask is not None and visible.key_mask.shape[-1] == 1:  # of all keys
        shape = ops.shape(visible.key_mask)[0], visible.keys
        visible = dataclasses.replace(visible, key_mask=ops.broadcast_to(visible.key_mask, shape))
    # Scores within +-1e38, as the normalizers hold them, without another pass over each block.
    farthest = (MAX_ABSOLUTE_SCORE / query.shape[-1]) ** 0.5
    query, key = (ops.clip(x, -farthest, farthest) for x in (query, key))
    if bias is not None:
        bias = _as_four_axes(ops.clip(bias, -MAX_ABSOLUTE_SCORE, MAX_ABSOLUTE_SCORE), query, key)
    if seeds is not None:
        value = value / (1 - rate)
    context = _blockwise(implementation, visible)(query, key, value, visible, seeds, rate, bias)
    sees = visible.query_has_visible_key()
    return hide(context, None if sees is None else ops.expand_dims(sees, -2))


def _blockwise(implementation, visible):
    """The backend's function of the blocks."""
    if keras.backend.backend() == "jax":
        from keras_attention.kernels.dot.jax.blockwise import blockwise_attention

        return blockwise_attention
    from keras_attention.kernels.dot.tensorflow.blockwise import blockwise_attention

    # Only sizes that are not known yet leave a choice to the graph.
    known = isinstance(visible.queries, int) and isinstance(visible.keys, int)
    is_large = None
    if implementation == "auto" and not known:
        is_large = _is_large(visible.queries, visible.keys)
    return functools.partial(blockwise_attention, is_large=is_large)


def _as_four_axes(bias, query, key):
    """`(batch or 1, heads or 1, Tq or 1, Tk or 1)`, where after the batch it is known which."""
    bias = ops.reshape(bias, (*[1] * (4 - len(bias.shape)), *ops.shape(bias)))
    sizes = ops.shape(bias)[0], *ops.shape(query)[1:3], ops.shape(key)[2]
    shape = [n if m != 1 else 1 for n, m in zip(sizes, bias.shape, strict=True)]
    return bias if None not in bias.shape[1:] else ops.broadcast_to(bias, shape)


def _is_large(queries, keys):
    return queries * keys >= MANY
