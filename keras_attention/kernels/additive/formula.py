"""Additive scores as the formula stands, with the gradient that goes with them: for few pairs."""

from keras import ops


def scores(query, key, scale):
    """As `additive_by_units.scores`."""
    return ops.sum(_hidden(query, key) * scale, axis=-1)


def gradients(query, key, scale, upstream):
    """As `additive_by_units.gradients`."""
    hidden, upstream = _hidden(query, key), upstream[..., None]
    of_sums = upstream * scale * (1 - hidden * hidden)
    of_scale = ops.sum(upstream * hidden, axis=(0, 1, 2))
    return ops.sum(of_sums, axis=2), ops.sum(of_sums, axis=1), of_scale


def _hidden(query, key):
    return ops.tanh(query[:, :, None] + key[:, None])
