"""Additive scores by one tanh for each pair and unit, in a loop over the units.

Projections may have any size. The intermediates have the size of the result, `(batch, Tq, Tk)`.
"""

from keras import ops

from keras_attention.kernels.scan import scan


def scores(query, key, scale):
    """As `xla.scores`, for projections of any size."""

    def step(total, inputs):
        return total + inputs[2] * _hidden_unit(*inputs[:2]), ()

    pairs = (*ops.shape(query)[:2], ops.shape(key)[1])
    return scan(step, ops.zeros(pairs, query.dtype), _split_units(query, key, scale), ())[0]


def gradients(query, key, scale, upstream):
    """As `xla.gradients`, for projections of any size."""

    def step(carry, inputs):
        hidden = _hidden_unit(*inputs[:2])
        slopes = upstream * (1 - hidden * hidden)
        grad_query, grad_key = (inputs[2] * ops.sum(slopes, axis=axis) for axis in (2, 1))
        return carry, (grad_query, grad_key, ops.sum(upstream * hidden))

    inputs = _split_units(query, key, scale)
    grad_query, grad_key, grad_scale = scan(step, (), inputs, (query.dtype,) * 3)[1]
    return *(ops.transpose(x, (1, 2, 0)) for x in (grad_query, grad_key)), grad_scale


def _split_units(query, key, scale):
    """Return the inputs of each step: a unit of query and key, `(batch, T)`, and of scale, ()."""
    return *(ops.transpose(x, (2, 0, 1)) for x in (query, key)), scale


def _hidden_unit(query, key):
    return ops.tanh(query[:, :, None] + key[:, None])
