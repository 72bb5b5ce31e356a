"""Windows of a sequence: found and gathered for each query, and laid back into full rows."""

from keras import ops


def window_around(centre, width, start, length):
    """The whole places s with `|s - centre| <= width` of sentences with places 0, ..., S - 1.

    They are 2 `width` + 1 around a whole centre, one fewer around any other. Several centres that
    stand close together share one row of places, their band.

    Args:
        centre: `(batch, ..., rows)`, any float dtype: `rows` centres that share a band, of which
            the first is the lowest and none is more than `rows - 1` above it.
        width: How far the window reaches on either side, an int.
        start: Where the sentence's place 0 stands among the keys, int, broadcastable to
            `(batch, ...)`.
        length: The sentence's length S, likewise.

    Returns:
        Places among the keys, int32 `(batch, ..., rows + 2 width)`; and of shape `(batch, ...,
        rows, rows + 2 width)` their distances from each centre, in its dtype and with its
        gradient, and bool, True = in the window and in the sentence.

    Example:
    >>> from keras_attention.kernels.local.windows import window_around
    >>> places, distance, inside = window_around(np.array([[1.5]]), 2, np.array([3]), np.array([9]))
    >>> [each.numpy().tolist() for each in (places, distance, inside)]
    [[[3, 4, 5, 6, 7]], [[[-1.5, -0.5, 0.5, 1.5, 2.5]]], [[[True, True, True, True, False]]]]
    """
    first = ops.cast(ops.ceil(centre[..., 0] - width), "int32")
    steps = first[..., None] + ops.arange(centre.shape[-1] + 2 * width, dtype="int32")
    distance = ops.expand_dims(ops.cast(steps, centre.dtype), -2) - centre[..., None]
    inside = ops.expand_dims(ops.logical_and(steps >= 0, steps < length[..., None]), -2)
    near = ops.abs(distance) <= width
    return start[..., None] + steps, distance, ops.logical_and(inside, near)


def gather_window(x, places):
    """`x[..., places, :]`: what stands at some places of each sequence.

    Costs as much as what is gathered, forward and backward, in time and memory.

    Args:
        x: `(batch, ..., Tk, D)`.
        places: Int `(batch, ..., any, W)`, or without `any`. A place beyond either end gives
            what stands at that end.

    Returns:
        `(batch, ..., any, W, D)`.

    Example:
    >>> from keras_attention.kernels.local.windows import gather_window
    >>> x = np.array([[[1.0], [2.0], [3.0]]])
    >>> gather_window(x, np.array([[[0, 1], [1, 2]]]))[..., 0].numpy()
    array([[[1., 2.],
            [2., 3.]]])
    """
    *outer, keys, width = ops.shape(x)
    # All sequences end to end in one long one; its leading 1 is for TensorFlow, whose gradient of
    # a gather along the first axis is an IndexedSlices, and a warning when that is made dense.
    joined = ops.reshape(x, (1, -1, width))
    count = ops.shape(ops.reshape(x, (-1, keys, width)))[0]
    inner = [1] * (len(places.shape) - len(outer))
    starts = ops.reshape(ops.arange(count, dtype="int32") * keys, (*outer, *inner))
    return ops.take(joined, ops.add(starts, ops.clip(places, 0, keys - 1)), axis=1)[0]


def spread_window(weights, places, keys):
    """Full rows of which only the places in the window are not zero.

    Args:
        weights: `(batch, ..., W)`, zero at places that are beyond either end.
        places: Int, broadcastable to the weights.
        keys: Length Tk of the rows, an int or a scalar tensor.

    Returns:
        `(batch, ..., Tk)`, with the weights at their places.

    Example:
    >>> from keras_attention.kernels.local.windows import spread_window
    >>> spread_window(np.array([[0.25, 0.75]]), np.array([[1, 2]]), 4).numpy()
    array([[0.  , 0.25, 0.75, 0.  ]])
    """
    *outer, width = ops.shape(weights)
    flat = ops.reshape(weights, (-1, width))
    rows = ops.shape(flat)[0]
    starts = ops.reshape(ops.arange(rows, dtype="int32") * keys, (*outer, 1))
    places = ops.add(starts, ops.clip(places, 0, keys - 1))
    places = ops.broadcast_to(places, ops.shape(weights))
    spread = ops.segment_sum(ops.reshape(flat, (-1,)), ops.reshape(places, (-1,)), rows * keys)
    return ops.reshape(spread, (*outer, keys))
