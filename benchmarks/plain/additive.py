"""Bahdanau's additive score of all pairs of queries and keys, directly by its formula."""

from keras import ops


def compute_scores(query, key, query_kernel, key_kernel, scale):
    """Return scores `(batch, Tq, Tk)` of `(batch, Tq, Dq)` and `(batch, Tk, Dk)`."""
    projected_query, keys = ops.matmul(query, query_kernel), ops.matmul(key, key_kernel)
    hidden = ops.tanh(ops.expand_dims(projected_query, 2) + ops.expand_dims(keys, 1))
    return ops.sum(hidden * scale, axis=-1)
