"""Reading softly: every value in proportion to its weight."""

from keras import ops

from keras_attention.precision import at_least_float32


def weighted_sum(weights, value):
    """`context[i] = sum_j weights[i, j] value[j]`, summed in float32 at least.

    Args:
        weights: `(batch, ..., Tq, Tk)`.
        value: `(batch, ..., Tk, Dv)`.

    Returns:
        Context `(batch, ..., Tq, Dv)` in the dtype of `value`.

    Example:
    >>> weights = np.array([[[0.25, 0.75]]], "float32")
    >>> value = np.array([[[4.0], [8.0]]], "float32")
    >>> keras_attention.read.weighted_sum(weights, value).numpy()
    array([[[7.]]], dtype=float32)
    """
    context = ops.matmul(at_least_float32(weights), at_least_float32(value))
    return ops.cast(context, value.dtype)
