"""Blockwise dot-product attention on TensorFlow, which never stores all weights."""

import tensorflow as tf

from keras_attention.kernels import tuning
from keras_attention.kernels.dot.block_layout import layout, rows_per_block
from keras_attention.kernels.dot.tensorflow.loops import BlockLoops
from keras_attention.kernels.dot.tensorflow.slices import BlockSlicer
from keras_attention.kernels.sizes import is_product_below
from keras_attention.precision import saturate_cast


def blockwise_attention(query, key, value, visible, seeds=None, rate=0.0, bias=None, is_short=None):
    """Compute attention block by block, and recompute the weights for the gradient.

    Memory grows with the length of the sequences only, and a causal mask or a window skips keys. A
    block holds one head of one sequence. If the sequences are short, a single block holds
    everything, and the loop runs once.

    Args:
        query: `(batch, heads, Tq, D)`, scaled, of any float dtype.
        key, value: `(batch, groups, Tk, D or Dv)`, where groups divide heads.
        visible: A `StructuredMask`.
        seeds: Int32 `(batch, heads, Tq)`, the seeds of the dropout; or None.
        rate: Fraction of the weights to drop. The others are not scaled here.
        bias: `(batch or 1, heads or 1, Tq or 1, Tk or 1)`, added to the scores; or None.
        is_short: False if the sequences are known to be long; None = decide by their lengths.

    Returns:
        Context `(batch, heads, Tq, Dv)`, float32 or float64. The caller has to zero it where
        queries are fully masked.
    """
    batch = query.shape[0]
    if None in (query.shape[0], key.shape[0], value.shape[0]):
        # Broadcast a batch of 1 here: reshaping it into blocks would split it instead.
        sizes = tf.stack([tf.shape(x)[0] for x in (query, key, value)])
        batch = tf.where(tf.reduce_min(sizes) > 0, tf.reduce_max(sizes), 0)
        query, key, value = (_broadcast_batch(x, batch) for x in (query, key, value))
    if is_short is None:
        is_short = is_product_below(tuning.DOT_MIN_WEIGHTS_PER_HEAD, visible.queries, visible.keys)
        if not isinstance(batch, int):  # An empty batch is one block of no heads.
            is_short = tf.logical_or(is_short, batch == 0)
    rows = rows_per_block(visible, is_single=is_short)
    heads = batch, key.shape[1], query.shape[1] // key.shape[1]
    slicer = BlockSlicer(layout(visible, rows, is_short), visible, heads, is_short)
    loops = BlockLoops(slicer, seeds, rate, bias)

    @tf.custom_gradient
    def attend(query, key, value, *bias):
        inputs = slicer.split_queries(query), slicer.pad_keys(key), slicer.pad_keys(value)
        context, *norm = loops.attend(*inputs)

        def differentiate(upstream):
            grads = loops.differentiate(*inputs, slicer.split_queries(upstream), context, *norm)
            tensors = query, key, value, *bias
            return [saturate_cast(g, x.dtype.name) for g, x in zip(grads, tensors, strict=True)]

        return slicer.merge_queries(context), differentiate

    return attend(query, key, value, *([] if bias is None else [bias]))


def _broadcast_batch(x, batch):
    return tf.broadcast_to(x, (batch, x.shape[1], x.shape[2] or tf.shape(x)[2], x.shape[3]))
