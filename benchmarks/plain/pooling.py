"""Attention pooling with a learned query, directly by its equations."""

from keras import ops


def pool(x, kernel, bias, query):
    """Return the weighted sum `(batch, D)` of vectors `(batch, T, D)`."""
    hidden = ops.tanh(ops.matmul(x, kernel) + bias)
    weights = ops.softmax(ops.sum(hidden * query, axis=-1))
    return ops.sum(ops.expand_dims(weights, -1) * x, axis=1)
