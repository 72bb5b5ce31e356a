"""Mask of the keys near the place that received the most weight before."""

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.precision import score_dtype
from keras_attention.types import Tensor

HALF_LESS_ROUNDING = 0.5 - 1e-5


def around(weights: Tensor, width: int | Tensor) -> Tensor:
    """Return the mask in which only keys within `width` of the median of `weights` are visible.

    The median is the first key up to which at least half of all weight lies. A sum that is smaller
    than the half by less than 1e-5 of all weight counts as the half: of equal weights, rounding
    would otherwise choose the median.

    Args:
        weights: Weights of an earlier query, `(batch, ..., Tk)`, numbers of at least 0.
        width: Number of keys that are visible on either side, an int of at least 0, or an int
            scalar tensor.

    Returns:
        Bool `(batch, ..., Tk)`.

    Raises:
        ValueError: If the width is negative or not an integer.

    Example:
    >>> keras_attention.mask.around(np.float32([[0, 0.2, 0.6, 0.2, 0, 0]]), 1).numpy().astype(int)
    array([[0, 1, 1, 1, 0, 0]])

    Differs from the paper, whose window has one key less on the right.

    Reference:
        Chorowski et al. (2015), section 2.3, https://arxiv.org/abs/1506.07503.
    """
    width = arguments.size("width", width)
    weights = ops.convert_to_tensor(weights)
    dtype = keras.backend.standardize_dtype(weights.dtype)
    weights = ops.cast(weights, score_dtype(dtype))  # sums of many weights need the precision
    half = HALF_LESS_ROUNDING * ops.sum(weights, axis=-1, keepdims=True)
    below = ops.cumsum(weights, axis=-1) < half
    median = ops.sum(ops.cast(below, "int32"), axis=-1, keepdims=True)
    return ops.abs(ops.arange(ops.shape(weights)[-1], dtype="int32") - median) <= width
