"""Attention block by block on TensorFlow: no table of all weights, forward or backward."""

import tensorflow as tf

from keras_attention.kernels.dot.block_layout import layout
from keras_attention.kernels.dot.tensorflow.bias_loops import BiasedBlocks
from keras_attention.kernels.dot.tensorflow.loops import Blocks
from keras_attention.kernels.dot.tensorflow.single_block import SingleBlock
from keras_attention.kernels.xla_context import is_compiled


def blockwise_attention(
    query, key, value, visible, seeds=None, rate=0.0, bias=None, rows=None, is_large=None
):
    """Context of each query, with the weights of one block at a time, made again for the gradient.

    Time grows with Tq * Tk, or with what a causal mask or a window leaves of it; memory does not.

    Args:
        query: `(batch, heads, Tq, D)`, scaled, float32 or float64.
        key: `(batch, groups, Tk, D)`, where groups divide heads.
        value: `(batch, groups, Tk, Dv)`.
        visible: A `Visible`. What a query reads that sees nothing is for the caller to put away.
        seeds: Int32 `(batch, heads, Tq)` of the dropout, or None.
        rate: Fraction of the weights to drop; the others are not scaled here.
        bias: `(batch or 1, heads or 1, Tq or 1, Tk or 1)`, added to the scores; or None.
        rows: Queries of a block; None = by the sizes.
        is_large: Bool scalar tensor, False = all at once after all; None = block by block.

    Returns:
        `(batch, heads, Tq, Dv)`.
    """
    if None in (query.shape[0], key.shape[0], value.shape[0]):
        # One that turns out to be for all is repeated; a reshape would cut it up.
        sizes = tf.stack([tf.shape(x)[0] for x in (query, key, value)])
        batch = tf.where(tf.reduce_min(sizes) > 0, tf.reduce_max(sizes), 0)
        query, key, value = (_repeated(x, batch) for x in (query, key, value))
        if None in (query.shape[2], key.shape[2]):  # then no array says what none of it looks like
            is_any = tf.logical_and(tf.size(query) > 0, tf.size(key) > 0)
            is_large = is_any if is_large is None else tf.logical_and(is_large, is_any)
    else:
        batch = query.shape[0]
    shape = batch, key.shape[1], query.shape[1] // key.shape[1]
    # A compiler is faster by the norm, also in the gradient, wherever that is traced.
    by_norm = is_compiled() or bias is not None
    cut = layout(visible, rows), visible, shape, seeds, rate, by_norm
    blocks = Blocks(*cut) if bias is None else BiasedBlocks(bias, *cut)
    whole = SingleBlock(visible, shape, seeds, rate, by_norm, bias)

    # The choice stands inside: under XLA one of unknown sizes could not be differentiated.
    def either(step, *tensors):
        if is_large is None:
            return getattr(blocks, step)(*tensors)
        return tf.cond(
            is_large,
            lambda: getattr(blocks, step)(*tensors),
            lambda: getattr(whole, step)(*tensors),
        )

    @tf.custom_gradient
    def attended(query, key, value, *bias):
        context, norm = either("read", query, key, value)
        context.set_shape((*query.shape[:3], value.shape[3]))

        def gradient(upstream):
            known = query, key, value, context, norm, upstream
            found = either("differentiate", *known)
            return *found, *(either("differentiate_bias", *known) for _ in bias)

        return context, gradient

    return attended(query, key, value, *([] if bias is None else [bias]))


def _repeated(x, batch):
    shape = tf.concat([batch[None], tf.shape(x)[1:]], axis=0)
    return tf.ensure_shape(tf.broadcast_to(x, shape), (None, *x.shape[1:]))
