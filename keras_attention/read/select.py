"""Reading hard: the one value that the weights choose."""

from keras import ops


def select(weights, value):
    """The value with the highest weight, gathered (the first of equals); zero for an all-zero row.

    For one-hot weights it equals `weighted_sum`, at a cost that does not grow with Tk * Dv. The
    gradient reaches the chosen values, not the weights.

    Args:
        weights: `(batch, ..., Tq, Tk)`.
        value: `(batch, ..., Tk, Dv)`, with the same leading dimensions.

    Returns:
        Context `(batch, ..., Tq, Dv)` in the dtype of `value`.

    Example:
    >>> weights = np.array([[[0.0, 1.0]]], "float32")
    >>> value = np.array([[[4.0], [8.0]]], "float32")
    >>> keras_attention.read.select(weights, value).numpy()
    array([[[8.]]], dtype=float32)
    """
    best, chosen = ops.top_k(weights, 1)
    context = ops.take_along_axis(value, chosen, axis=-2)
    return ops.where(best > 0, context, ops.zeros_like(context))
