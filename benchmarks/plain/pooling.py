"""Attention with a learned query, as its equations stand."""

from keras import ops


def pooled(x, kernel, bias, query):
    """`(batch, T, D)` -> `(batch, D)`."""
    hidden = ops.tanh(ops.matmul(x, kernel) + bias)
    weights = ops.softmax(ops.sum(hidden * query, axis=-1))
    return ops.sum(ops.expand_dims(weights, -1) * x, axis=1)
