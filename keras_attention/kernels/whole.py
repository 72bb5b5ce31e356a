"""All queries in one block, on TensorFlow: what blocks become where sequences turn out short."""

import tensorflow as tf

from keras_attention.kernels.block_attention import attend_block, differentiate_block
from keras_attention.kernels.dropping import kept


class Whole:
    """Reads and differentiates as `Blocks` do, with all weights at once.

    Args:
        visible, shape, seeds, rate: As in `Blocks`.
    """

    def __init__(self, visible, shape, seeds=None, rate=0.0):
        self.visible, self.shape, self.seeds, self.rate = visible, shape, seeds, rate

    def read(self, query, key, value):
        """Context `(batch, heads, Tq, Dv)` of `(batch, heads, Tq, D)` and keys and values."""
        grouped = self._grouped(query), key[:, :, None], value[:, :, None]
        context = attend_block(*grouped, **self._masks())
        return tf.reshape(context, (*tf.unstack(tf.shape(query)[:3]), value.shape[3]))

    def differentiate(self, query, key, value, context, upstream):
        """Gradients with respect to query, key and value."""
        of_query, *others = differentiate_block(
            self._grouped(query),
            key[:, :, None],
            value[:, :, None],
            self._grouped(context),
            self._grouped(upstream),
            **self._masks(),
        )
        # Heads that share keys follow one another in an axis of their own.
        of_key, of_value = (tf.reduce_sum(x, axis=2) for x in others)
        return tf.reshape(of_query, tf.shape(query)), of_key, of_value

    def _grouped(self, x):
        return tf.reshape(x, (*self.shape, *tf.unstack(tf.shape(x)[2:])))

    def _masks(self):
        table, keep = self.visible.table(), None
        if table is not None and len(table.shape) > 2:
            table = table[:, None, None]
        if self.seeds is not None:
            keep = kept(self._grouped(self.seeds), tf.range(self.visible.keys), self.rate)
        return {"visible": table, "kept": keep}
