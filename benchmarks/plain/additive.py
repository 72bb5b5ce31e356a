"""Bahdanau's score as it stands, of every query and key."""

from keras import ops


def scores(query, key, query_kernel, key_kernel, scale):
    """`(batch, Tq, Dq)`, `(batch, Tk, Dk)` -> `(batch, Tq, Tk)`."""
    asked, keys = ops.matmul(query, query_kernel), ops.matmul(key, key_kernel)
    hidden = ops.tanh(ops.expand_dims(asked, 2) + ops.expand_dims(keys, 1))
    return ops.sum(hidden * scale, axis=-1)
