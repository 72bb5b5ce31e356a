"""Attention that depends on the previous weights, as a loop over the queries.

The keys are projected once. TensorFlow Addons computes monotonic weights as here: by cumulative
products ("parallel") or by a loop over the keys ("recursive").
"""

from keras import ops


def attend_location_aware(query, value, query_kernel, key_kernel, scale, filters, location_kernel):
    """Attend by Chorowski's location-aware attention; the first query has uniform weights."""
    keys = ops.matmul(value, key_kernel)

    def weigh(previous, projected):
        filtered = ops.conv(ops.expand_dims(previous, -1), filters, padding="same")
        hidden = ops.tanh(
            ops.expand_dims(projected, 1) + keys + ops.matmul(filtered, location_kernel)
        )
        return ops.softmax(ops.sum(hidden * scale, axis=-1))

    start = ops.ones_like(keys[..., 0]) / value.shape[1]
    return attend_in_order(weigh, start, ops.matmul(query, query_kernel), value)


def attend_monotonically(choose, query, value, energy_bias, query_kernel, key_kernel, scale, bias):
    """Attend by Raffel's monotonic attention with an additive score.

    Args:
        choose: `weigh_in_parallel` or `weigh_recursively`.
        query, value: `(batch, T, D)`.
        energy_bias, query_kernel, key_kernel, scale, bias: The weights.
    """
    keys = ops.matmul(value, key_kernel)

    def weigh(previous, projected):
        hidden = ops.tanh(ops.expand_dims(projected, 1) + keys)
        return choose(ops.sigmoid(ops.sum(hidden * scale, axis=-1) + energy_bias), previous)

    is_first = ops.cast(ops.arange(value.shape[1]) == 0, keys.dtype)
    start = ops.zeros_like(keys[..., 0]) + is_first
    return attend_in_order(weigh, start, ops.matmul(query, query_kernel) + bias, value)


def weigh_in_parallel(chosen, previous):
    """Compute the weights by a cumulative product and a cumulative sum of quotients.

    They are wrong where the product, of which the quotients are taken, is below 1e-10.
    """
    logarithm = ops.log(ops.clip(1 - chosen, 1e-30, 1))
    passed = ops.exp(ops.cumsum(logarithm, axis=-1) - logarithm)
    return chosen * passed * ops.cumsum(previous / ops.clip(passed, 1e-10, 1), axis=-1)


def weigh_recursively(chosen, previous):
    """Compute the weights by a loop over the keys."""
    passed = ops.concatenate([ops.ones_like(chosen[:, :1]), 1 - chosen[:, :-1]], axis=1)

    def step(reached, inputs):
        passed, previous = inputs
        reached = passed * reached + previous
        return reached, reached

    inputs = ops.swapaxes(passed, 0, 1), ops.swapaxes(previous, 0, 1)
    _, reached = ops.scan(step, ops.zeros_like(chosen[:, 0]), inputs)
    return chosen * ops.swapaxes(reached, 0, 1)


def attend_in_order(weigh, start, query, value):
    """Return the contexts of all queries; `weigh(previous, query)` returns the next weights."""

    def step(previous, query):
        weights = weigh(previous, query)
        return weights, weights

    _, weights = ops.scan(step, start, ops.swapaxes(query, 0, 1))
    return ops.matmul(ops.swapaxes(weights, 0, 1), value)
