"""Additive scores and their gradient by the plain formula, for few query-key pairs."""

from keras import ops


def scores(query, key, scale):
    """As `xla.scores`."""
    return ops.sum(_hidden_layer(query, key) * scale, axis=-1)


def gradients(query, key, scale, upstream):
    """As `xla.gradients`."""
    hidden, upstream = _hidden_layer(query, key), upstream[..., None]
    grad_sums = upstream * scale * (1 - hidden * hidden)
    grad_scale = ops.sum(upstream * hidden, axis=(0, 1, 2))
    return ops.sum(grad_sums, axis=2), ops.sum(grad_sums, axis=1), grad_scale


def _hidden_layer(query, key):
    return ops.tanh(query[:, :, None] + key[:, None])
