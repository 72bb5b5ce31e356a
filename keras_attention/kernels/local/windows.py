"""Windows of a sequence: their positions, the gather of their keys, and weights in full rows."""

from keras import ops


def window_around(center, width, start, length):
    """Return the integers s with `|s - center| <= width` in sequences with positions 0, ..., S - 1.

    There are 2 `width` + 1 such integers around an integer center, one fewer around any other.
    Several centers that are close together share one row of positions, their band.

    Args:
        center: `(batch, ..., rows)`, any float dtype: `rows` centers that share a band. The first
            one is the lowest, and none is more than `rows - 1` above it.
        width: Number of positions of a window on either side of its center, an int.
        start: Index of the sequence's position 0 among the keys, int, broadcastable to
            `(batch, ...)`.
        length: Length S of the sequence, int, broadcastable to `(batch, ...)`.

    Returns:
        A tuple `(indices, distance, is_inside)`: the indices of the band's keys, int32
        `(batch, ..., rows + 2 width)`; the distance of each key from each center, in the center's
        dtype and differentiable, `(batch, ..., rows, rows + 2 width)`; and bool of the same shape,
        True = the key is in the window and in the sequence.

    Example:
    >>> from keras_attention.kernels.local.windows import window_around
    >>> band = window_around(np.array([[1.5]]), 2, np.array([3]), np.array([9]))
    >>> [x.numpy().tolist() for x in band]
    [[[3, 4, 5, 6, 7]], [[[-1.5, -0.5, 0.5, 1.5, 2.5]]], [[[True, True, True, True, False]]]]
    """
    first = ops.cast(ops.ceil(center[..., 0] - width), "int32")
    steps = first[..., None] + ops.arange(center.shape[-1] + 2 * width, dtype="int32")
    distance = ops.expand_dims(ops.cast(steps, center.dtype), -2) - center[..., None]
    is_in_sequence = ops.logical_and(steps >= 0, steps < length[..., None])
    is_in_window = ops.abs(distance) <= width
    is_inside = ops.logical_and(ops.expand_dims(is_in_sequence, -2), is_in_window)
    return start[..., None] + steps, distance, is_inside


def gather_window(x, indices):
    """Gather `x[..., indices, :]`: some positions of each sequence.

    Time and memory grow with the size of the result, forward and backward.

    Args:
        x: `(batch, ..., Tk, D)`.
        indices: Int `(batch, ..., n, W)`, or without the axis `n`. Indices beyond either end are
            clipped to it.

    Returns:
        `(batch, ..., n, W, D)`.

    Example:
    >>> from keras_attention.kernels.local.windows import gather_window
    >>> x = np.array([[[1.0], [2.0], [3.0]]])
    >>> gather_window(x, np.array([[[0, 1], [1, 2]]]))[..., 0].numpy()
    array([[[1., 2.],
            [2., 3.]]])
    """
    *outer, keys, width = ops.shape(x)
    # Join all sequences end to end. The leading axis of 1 is for TensorFlow: the gradient of a
    # gather along the first axis would be an IndexedSlices, and making it dense gives a warning.
    sequence = ops.reshape(x, (1, -1, width))
    count = ops.shape(ops.reshape(x, (-1, keys, width)))[0]
    inner = [1] * (len(indices.shape) - len(outer))
    starts = ops.reshape(ops.arange(count, dtype="int32") * keys, (*outer, *inner))
    return ops.take(sequence, ops.add(starts, ops.clip(indices, 0, keys - 1)), axis=1)[0]


def spread_window(weights, indices, keys):
    """Spread the weights of windows over full rows, which are zero elsewhere.

    Args:
        weights: `(batch, ..., W)`, zero at positions beyond either end.
        indices: Int, broadcastable to the weights: their positions.
        keys: Length Tk of the rows, an int or a scalar tensor.

    Returns:
        `(batch, ..., Tk)`, with each weight at its position.

    Example:
    >>> from keras_attention.kernels.local.windows import spread_window
    >>> spread_window(np.array([[0.25, 0.75]]), np.array([[1, 2]]), 4).numpy()
    array([[0.  , 0.25, 0.75, 0.  ]])
    """
    *outer, width = ops.shape(weights)
    matrix = ops.reshape(weights, (-1, width))
    rows = ops.shape(matrix)[0]
    starts = ops.reshape(ops.arange(rows, dtype="int32") * keys, (*outer, 1))
    indices = ops.add(starts, ops.clip(indices, 0, keys - 1))
    indices = ops.broadcast_to(indices, ops.shape(weights))
    spread = ops.segment_sum(ops.reshape(matrix, (-1,)), ops.reshape(indices, (-1,)), rows * keys)
    return ops.reshape(spread, (*outer, keys))
