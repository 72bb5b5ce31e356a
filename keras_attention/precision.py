"""The floating-point precision of scores, independent of the dtype policy."""

import keras
from keras import ops

from keras_attention.types import Tensor

# Products of two projections of inputs up to this magnitude are finite in float32, so that no score
# can become NaN as a difference of infinities. Scores of that size give one-hot weights anyway.
MAX_ABSOLUTE_INPUT = 1e12


def score_dtype(dtype: str) -> str:
    """Return the dtype, a string, of scores and weights computed from tensors of `dtype`."""
    return "float64" if dtype == "float64" else "float32"


def at_least_float32(x: Tensor) -> Tensor:
    """Cast a float tensor to float32; float64 is kept.

    float16 overflows in a single product of two moderate numbers, and bfloat16 has three digits.

    Args:
        x: Tensor of any float dtype and shape.

    Returns:
        Tensor of the same shape, float32 or float64.
    """
    return ops.cast(x, score_dtype(keras.backend.standardize_dtype(x.dtype)))


def to_score_precision(x: Tensor) -> Tensor:
    """Cast `x` to float32 (float64 is kept) and clip it to +-1e12, as the input of a score.

    Args:
        x: Tensor of any float dtype and shape.

    Returns:
        Tensor of the same shape, float32 or float64.
    """
    return clip(at_least_float32(x), MAX_ABSOLUTE_INPUT)


def clip(x: Tensor, limit: float) -> Tensor:
    """Clip `x` to +-limit; a clipped element has a gradient of zero.

    Args:
        x: Tensor of any float dtype and shape.
        limit: The largest absolute value.

    Returns:
        Tensor of the same shape and dtype.
    """
    if keras.backend.backend() != "jax":
        return ops.clip(x, -limit, limit)
    # JAX multiplies the gradient of a clipped element by zero: an infinite one would become NaN.
    x = ops.where(x > limit, limit, x)
    return ops.where(x < -limit, -limit, x)
