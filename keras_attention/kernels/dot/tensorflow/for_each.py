"""A loop on TensorFlow that XLA can compile and that is none where it runs once."""

import tensorflow as tf


def for_each_index(count, body, *state, at_once=2):
    """`state = body(i, *state)` for i below `count`, an int or a scalar tensor.

    Args:
        count: How often.
        body: Function of the number i and the state that gives the next state, a tuple.
        *state: Tensors and TensorArrays.
        at_once: How many turns a graph may run at a time, as far as one does not need another.
    """
    if isinstance(count, int) and count <= 1:
        return body(0, *state) if count else state
    return tf.while_loop(
        lambda i, *_: i < count,
        lambda i, *state: (i + 1, *body(i, *state)),
        (0, *state),
        maximum_iterations=count,
        parallel_iterations=at_once,
    )[1:]
