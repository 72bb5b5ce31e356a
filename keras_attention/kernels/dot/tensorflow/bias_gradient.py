"""The gradient of a bias, in the bias's own shape, summed up block by block on TensorFlow."""

import tensorflow as tf

from keras_attention.kernels.dot.block_layout import choose
from keras_attention.kernels.dot.tensorflow.slices import pad


def create_sums(bias, slicer):
    """Create a TensorArray of zeros: the sums of each block of a padded bias.

    A loop updates an entry of it in place, but would copy a tensor.
    """
    batch, heads, _, length = _padded_shape(bias)
    count = choose(slicer.is_short, 1, batch * heads * _count_blocks(bias, slicer))
    size = choose(slicer.is_short, batch, 1), choose(slicer.is_short, heads, 1)
    rows = 1 if bias.shape[2] == 1 else slicer.layout.rows
    zeros = tf.zeros((count, *size, rows, length), bias.dtype)
    # It is read more than once.
    return tf.TensorArray(bias.dtype, count, clear_after_read=False).unstack(zeros)


def add_block(sums, grad_scores, block, bias, slicer):
    """Add the gradient of a block's scores `(groups, rows, columns)` to the sums.

    It is summed along the axes where the bias has size 1.
    """
    corner, (batch, _, _, _) = slicer.fit_block(bias, block)
    grad = tf.reshape(grad_scores, block.size)
    grad = tf.reduce_sum(grad, [axis for axis in (1, 2, 3) if bias.shape[axis] == 1], keepdims=True)
    # Of a batch the graph learns only at run time whether its bias has size 1.
    shape = block.size[0] // tf.maximum(batch, 1), batch, *tf.unstack(tf.shape(grad))[1:]
    grad = tf.reduce_sum(tf.reshape(grad, shape), axis=0)
    if bias.shape[3] != 1:
        _, _, _, length = _padded_shape(bias)
        grad = tf.roll(pad(grad, {3: (0, length - block.size[3])}), corner[3], axis=3)
    index = corner[0] * bias.shape[1] + corner[1]
    index = index * _count_blocks(bias, slicer) + corner[2] // slicer.layout.rows
    return sums.write(index, sums.read(index) + grad)


def merge_sums(sums, bias, slicer):
    """Return the gradient from the stacked sums, without padding."""
    batch, heads, rows, length = _padded_shape(bias)
    grad = tf.reshape(sums, (batch, heads, rows, length))
    if bias.shape[2] != 1:
        grad = grad[:, :, : slicer.visible.queries]
    if bias.shape[3] != 1:
        front = slicer.key_margins[0]
        grad = grad[..., front : front + slicer.visible.keys]
    return grad


def _padded_shape(bias):
    return [size or tf.shape(bias)[axis] for axis, size in enumerate(bias.shape)]


def _count_blocks(bias, slicer):
    return 1 if bias.shape[2] == 1 else slicer.layout.blocks
