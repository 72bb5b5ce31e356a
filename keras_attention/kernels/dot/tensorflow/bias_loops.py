"""The loops over blocks of scores that a bias is added to, on TensorFlow."""

import tensorflow as tf

from keras_attention.kernels.dot.tensorflow.bias_slices import CutBias
from keras_attention.kernels.dot.tensorflow.loops import Blocks
from keras_attention.kernels.dot.tensorflow.one_block import differentiate_scores
from keras_attention.kernels.dot.tensorflow.slices import pad


class BiasedBlocks(Blocks):
    """`Blocks` with a bias.

    Args:
        bias: As in `CutBias`.
        *cut: Those of `Cut`, by norm.
    """

    def __init__(self, bias, *cut):
        super().__init__(*cut)
        self.cut_bias = CutBias(bias, self)
        self.query_mask = self.visible.query_mask
        if self.query_mask is not None:
            over = self.plan.blocks * self.plan.rows - self.visible.queries
            self.query_mask = pad(tf.convert_to_tensor(self.query_mask), 1, 0, over)

    def sight(self, head, block, start, count, end=None):
        """As in the base, and nothing for a query that is none: its bias may be NaN."""
        sight = super().sight(head, block, start, count, end)
        if self.query_mask is None:
            return sight
        mask = self.query_mask[head // self.groups % tf.shape(self.query_mask)[0]]
        asks = tf.slice(mask, (block * self.plan.rows,), (self.plan.rows,))[:, None]
        return asks if sight is None else tf.logical_and(sight, asks)

    def bias(self, index, start, count):
        return self.cut_bias.part(index, start, count)

    def differentiate_bias(self, query, key, value, context, norm, upstream):
        """The gradient with respect to the bias.

        It has loops of its own: what goes for one number follows upon one another in them, and
        where nobody asks for it a graph goes without.
        """
        query, context, norm, upstream = (self.blocks(x) for x in (query, context, norm, upstream))
        keys, values = self.rows_of_keys(key), self.rows_of_keys(value)

        def of_scores(segment, index, block, first, count):
            head = index // self.count
            given = self._given(keys[head], values[head], head, segment, index, block)
            given = given(first, count, is_piece=True)
            return differentiate_scores(
                query[index], *given, context[index], upstream[index], norm[index]
            )

        return self.cut_bias.gradient(of_scores, query.dtype)
