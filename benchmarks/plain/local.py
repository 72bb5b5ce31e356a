"""Local attention as a mask over the full matrix of scores."""

from keras import ops


def monotonic(query, value, window):
    """The softmax of query . value over |i - j| <= window, all pairs computed."""
    scores = ops.cast(ops.matmul(query, ops.swapaxes(value, 1, 2)), "float32")
    places = ops.arange(query.shape[1])
    near = ops.abs(places[:, None] - places[None]) <= window
    weights = ops.softmax(ops.where(near, scores, -1e30))
    return ops.matmul(ops.cast(weights, value.dtype), value)


def predictive(query, value, window, position_kernel, position_scale, kernel):
    """Luong's local-p with the general score, all pairs computed."""
    length = value.shape[1]
    hidden = ops.tanh(ops.matmul(query, position_kernel))
    centre = length * ops.sigmoid(ops.cast(ops.matmul(hidden, position_scale), "float32"))
    distance = ops.cast(ops.arange(length), "float32") - centre
    keys = ops.matmul(value, ops.transpose(kernel))
    scores = ops.cast(ops.matmul(query, ops.swapaxes(keys, 1, 2)), "float32")
    weights = ops.softmax(ops.where(ops.abs(distance) <= window, scores, -1e30))
    weights = weights * ops.exp(-2 * ops.square(distance / window))
    return ops.matmul(ops.cast(weights, value.dtype), value)
