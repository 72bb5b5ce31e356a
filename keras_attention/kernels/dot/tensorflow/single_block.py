"""All queries in one block, on TensorFlow: what blocks become where sequences turn out short."""

import tensorflow as tf

from keras_attention.kernels.dot.tensorflow.one_block import (
    attend_block,
    differentiate_block,
    differentiate_scores,
)
from keras_attention.kernels.dropout import keep_mask


class SingleBlock:
    """Reads and differentiates as `Blocks` do, with all weights at once.

    Args:
        visible, shape, seeds, rate, by_norm, bias: As in `Blocks`.
    """

    def __init__(self, visible, shape, seeds=None, rate=0.0, by_norm=False, bias=None):
        self.visible, self.shape, self.seeds, self.rate = visible, shape, seeds, rate
        self.by_norm, self.bias = by_norm, bias

    def read(self, query, key, value):
        """Context and norm, as `Blocks.read`."""
        grouped = self._grouped(query), key[:, :, None], value[:, :, None]
        found = attend_block(*grouped, **self._options(), by_norm=self.by_norm)
        sizes, widths = tf.unstack(tf.shape(query)[:3]), (value.shape[3], 2)
        return tuple(tf.reshape(x, (*sizes, width)) for x, width in zip(found, widths, strict=True))

    def differentiate(self, query, key, value, context, norm, upstream):
        """Gradients with respect to query, key and value."""
        given = self._given(query, key, value, context, norm, upstream)
        of_query, *others = differentiate_block(**given)
        # Heads that share keys follow one another in an axis of their own.
        of_key, of_value = (tf.linalg.matrix_transpose(tf.reduce_sum(x, axis=2)) for x in others)
        return tf.reshape(of_query, tf.shape(query)), of_key, of_value

    def differentiate_bias(self, query, key, value, context, norm, upstream):
        """The gradient with respect to the bias."""
        found = differentiate_scores(**self._given(query, key, value, context, norm, upstream))
        found = tf.reshape(found, (*tf.unstack(tf.shape(query)[:3]), self.visible.keys))
        shape = tf.shape(self.bias)
        axes, _ = tf.raw_ops.BroadcastGradientArgs(s0=shape, s1=tf.shape(found))
        return tf.reshape(tf.reduce_sum(found, axes), shape)

    def _given(self, query, key, value, context, norm, upstream):
        return {
            "query": self._grouped(query),
            "key": key[:, :, None],
            "value": value[:, :, None],
            "context": self._grouped(context),
            "upstream": self._grouped(upstream),
            "norm": self._grouped(norm) if self.by_norm else None,
            **self._options(),
        }

    def _grouped(self, x):
        return tf.reshape(x, (*self.shape, *tf.unstack(tf.shape(x)[2:])))

    def _options(self):
        table, keep, bias = self.visible.dense(), None, self.bias
        if table is not None and len(table.shape) > 2:
            table = table[:, None, None]
        if self.seeds is not None:
            keep = keep_mask(self._grouped(self.seeds), tf.range(self.visible.keys), self.rate)
        if bias is not None:
            _, groups, shared = self.shape if bias.shape[1] != 1 else (1, 1, 1)
            sizes = tf.unstack(tf.shape(bias))
            bias = tf.reshape(bias, (sizes[0], groups, shared, *sizes[2:]))
        return {"visible": table, "kept": keep, "bias": bias}
