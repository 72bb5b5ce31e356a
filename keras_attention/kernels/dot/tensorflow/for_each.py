"""Loops on TensorFlow that XLA can compile, and the arrays that they fill."""

import tensorflow as tf

from keras_attention.kernels import tuning


def for_each_index(count, body, *state):
    """Return the last `state = body(i, *state)` for i below `count`, an int or a scalar tensor."""
    if isinstance(count, int) and count == 1:
        return body(0, *state)
    return tf.while_loop(
        lambda i, *_: i < count,
        lambda i, *state: (i + 1, *body(i, *state)),
        (0, *state),
        maximum_iterations=count,
        parallel_iterations=tuning.DOT_PARALLEL_ITERATIONS,
    )[1:]


def create_array(dtype, size, *shape):
    """Create a TensorArray of `size` tensors, each to be written once."""
    shape = [length if isinstance(length, int) else None for length in shape]
    return tf.TensorArray(dtype, size, element_shape=shape)


def create_sums(dtype, size, *shape):
    """Create a TensorArray of zeros to add to; a loop would copy a tensor that it updates."""
    array = tf.TensorArray(dtype, size, clear_after_read=False)
    return array.unstack(tf.zeros((size, *shape), dtype))
