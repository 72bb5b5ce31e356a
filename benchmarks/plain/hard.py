"""Hard attention in inference: the value that scores highest, for every query."""

from keras import ops


def likeliest(query, value, query_kernel, key_kernel, scale):
    """`(batch, Tq, D)`, `(batch, Tk, Dv)` -> `(batch, Tq, Dv)`, by Bahdanau's score."""
    asked, keys = ops.matmul(query, query_kernel), ops.matmul(value, key_kernel)
    hidden = ops.tanh(ops.expand_dims(asked, 2) + ops.expand_dims(keys, 1))
    best = ops.argmax(ops.sum(hidden * scale, axis=-1), axis=-1)
    return ops.take_along_axis(value, ops.expand_dims(best, -1), axis=1)
