"""Masks and bias `(batch or 1, heads or 1, Tq or 1, Tk or 1)` of one block, on TensorFlow."""

import tensorflow as tf

from keras_attention.kernels.dot.block_layout import choose
from keras_attention.kernels.dot.tensorflow.for_each import create_sums
from keras_attention.kernels.dot.tensorflow.slices import pad
from keras_attention.mask import combine
from keras_attention.normalize.masked import MASKED_SCORE


class ScoreSlicer:
    """Adds the bias, if any, to a block's scores, masks them, and sums the bias's gradient."""

    def __init__(self, slicer, bias):
        self.slicer, self.layout, self.visible = slicer, slicer.layout, slicer.visible
        self.bias = bias
        if bias is not None:
            self.bias, self.bias_shape = self._pad(bias), tf.shape(bias)
            self.bias_blocks = 1 if bias.shape[2] == 1 else self.layout.blocks
        self.masks = [self._pad(tf.convert_to_tensor(mask)) for mask in self._collect_masks()]

    def mask_scores(self, scores, block):
        """Add the bias to a block's scores, and replace masked scores by `MASKED_SCORE`."""
        masks = (tf.slice(x, *self._fit(x, block)) for x in self.masks)
        mask = combine(*masks, self._mask_positions(block))
        shape, scores = tf.shape(scores), tf.reshape(scores, block.size)
        if self.bias is not None:
            scores = scores + tf.slice(self.bias, *self._fit(self.bias, block))
        if mask is not None:
            scores = tf.where(mask, scores, tf.constant(MASKED_SCORE, scores.dtype))
        return tf.reshape(scores, shape)

    def position_keys(self, block):
        """Return the positions `(columns,)` of a block's keys; padding is outside of [0, Tk)."""
        return tf.range(block.size[3]) + (block.corner[3] - self.slicer.key_margins[0])

    def create_bias_sums(self):
        """Create an array with an entry for each block of the bias."""
        batch, heads, rows, length = tf.unstack(tf.shape(self.bias))
        count = choose(self.slicer.is_short, 1, batch * heads * self.bias_blocks)
        return create_sums(self.bias.dtype, count, batch * heads * rows // count, length)

    def add_bias(self, array, grad, block):
        """Add the gradient of a block's scores, summed along the axes of size 1."""
        corner, size = self._fit(self.bias, block)
        # Each axis becomes two: the one to sum, and the one that the bias has.
        pairs = zip(block.size, size, strict=True)
        shape = [length for n, m in pairs for length in (n // tf.maximum(m, 1), m)]
        grad = tf.reduce_sum(tf.reshape(grad, shape), axis=(0, 2, 4, 6))
        if self.bias.shape[3] != 1:
            grad = pad(grad, {3: (0, self.slicer.padded_keys - block.size[3])})
            grad = tf.roll(grad, corner[3], axis=3)
        grad = tf.reshape(grad, (size[0] * size[1] * size[2], tf.shape(self.bias)[3]))
        index = (corner[0] * self.bias.shape[1] + corner[1]) * self.bias_blocks
        index = index + corner[2] // self.layout.rows
        return array.write(index, array.read(index) + grad)

    def merge_bias(self, x):
        """Reshape the stacked array of block sums to the gradient, in the bias's own shape."""
        front = 0 if self.bias.shape[3] == 1 else self.slicer.key_margins[0]
        x = tf.reshape(x, tf.shape(self.bias))
        return tf.slice(x, (0, 0, 0, front), self.bias_shape)

    def _collect_masks(self):
        masks, pairs = [], self.visible.pairs
        if self.visible.key_mask is not None:
            masks.append(self.visible.key_mask[:, None, None, :])
        if self.bias is not None and self.visible.query_mask is not None:
            # The caller zeroes padded queries, but their bias may still be NaN.
            masks.append(self.visible.query_mask[:, None, :, None])
        if pairs is not None:
            while len(pairs.shape) < 3:
                pairs = pairs[None]
            queries = 1 if pairs.shape[1] == 1 else self.visible.queries
            shape = tf.shape(pairs)[0], queries, self.visible.keys
            masks.append(tf.broadcast_to(pairs, shape)[:, None])
        return masks

    def _mask_positions(self, block):
        """Mask `(1, 1, rows, columns)` of causality, the window and the bands' padding, or None."""
        visible, masks, key = self.visible, [], self.position_keys(block)
        row = block.corner[2] + (visible.keys - visible.queries)
        query = tf.reshape(tf.range(block.size[2]), (1, 1, -1, 1)) + row
        if self.layout.band is not None:
            masks.append((key >= 0) & (key < visible.keys))
        if visible.causal:
            masks.append(key <= query)
        if visible.window is not None:
            masks.append(tf.abs(key - query) <= visible.window)
        return combine(*masks)

    def _pad(self, x):
        margins = {2: self.slicer.query_margins, 3: self.slicer.key_margins}
        return pad(x, {axis: margins[axis] for axis in margins if x.shape[axis] != 1})

    def _fit(self, x, block):
        """Return the corner and the size of a block in a padded mask or bias."""
        corner, size = list(block.corner), list(block.size)
        if x.shape[0] is None:  # Whether the batch size is 1 is known only at run time.
            batch = tf.shape(x)[0]
            corner[0], size[0] = corner[0] % tf.maximum(batch, 1), tf.minimum(size[0], batch)
        axes = zip(x.shape, corner, size, strict=True)
        return zip(*[(0, 1) if n == 1 else (at, m) for n, at, m in axes], strict=True)
