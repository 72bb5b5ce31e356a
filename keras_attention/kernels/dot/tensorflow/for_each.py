"""Loops on TensorFlow that XLA can compile, and arrays for their results."""

import tensorflow as tf


def for_each_index(count, body, *state):
    """Return the last `state = body(i, *state)` for i below `count`.

    Args:
        count: Number of iterations, an int or a scalar tensor. A single one makes no loop.
        body: Function of the index and the state that returns the next state, a tuple.
        *state: Nests of tensors and TensorArrays.
    """
    if isinstance(count, int) and count == 1:
        return body(0, *state)
    return tf.while_loop(
        lambda i, *_: i < count,
        lambda i, *state: (i + 1, *body(i, *state)),
        (0, *state),
        maximum_iterations=count,
        parallel_iterations=2,  # Each iteration in flight holds a block of scores.
    )[1:]


def create_array(like, size, *shape):
    """Create a TensorArray of `size` tensors of a shape, in the dtype of `like`."""
    shape = [length if isinstance(length, int) else None for length in shape]
    return tf.TensorArray(like.dtype, size, element_shape=shape)
