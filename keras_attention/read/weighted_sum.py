"""Context as the weighted sum of the values."""

from keras import ops

from keras_attention.precision import matmul
from keras_attention.types import Tensor


def weighted_sum(weights: Tensor, value: Tensor) -> Tensor:
    """Compute `context[i] = sum_j weights[i, j] value[j]`, in float32 (float64 for float64 inputs).

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
    return ops.cast(matmul(weights, value), value.dtype)
