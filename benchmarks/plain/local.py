"""Local attention as a mask over the full matrix of scores."""

from keras import ops


def attend_monotonic(query, value, window):
    """Attend by Luong's local-m with the dot score: keys with |i - j| <= window are visible.

    The scores of all pairs are computed, and those outside of the window are masked.
    """
    scores = ops.cast(ops.matmul(query, ops.swapaxes(value, 1, 2)), "float32")
    positions = ops.arange(query.shape[1])
    is_inside = ops.abs(positions[:, None] - positions[None]) <= window
    weights = ops.softmax(ops.where(is_inside, scores, -1e30))
    return ops.matmul(ops.cast(weights, value.dtype), value)


def attend_predictive(query, value, window, position_kernel, position_scale, kernel):
    """Attend by Luong's local-p with the general score. The scores of all pairs are computed."""
    length = value.shape[1]
    hidden = ops.tanh(ops.matmul(query, position_kernel))
    center = length * ops.sigmoid(ops.cast(ops.matmul(hidden, position_scale), "float32"))
    distance = ops.cast(ops.arange(length), "float32") - center
    keys = ops.matmul(value, ops.transpose(kernel))
    scores = ops.cast(ops.matmul(query, ops.swapaxes(keys, 1, 2)), "float32")
    weights = ops.softmax(ops.where(ops.abs(distance) <= window, scores, -1e30))
    weights = weights * ops.exp(-2 * ops.square(distance / window))
    return ops.matmul(ops.cast(weights, value.dtype), value)
