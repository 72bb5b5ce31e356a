"""The floating-point precision of scores and of products in half precision.

Projections and matrix products take inputs in the compute dtype. Masks, softmax and sums are
float32 under every half-precision policy (float64 under a float64 policy), and so are scores,
except in a plain TensorFlow graph, where a product of bfloat16 is rounded once: see
`kernels.matmul`.
"""

import keras
from keras import ops

from keras_attention.types import Tensor

# Products of two projections of inputs up to this magnitude are finite in float32, so that no score
# can become NaN as a difference of infinities. Scores of that size give one-hot weights anyway.
MAX_ABSOLUTE_INPUT = 1e12

HALF_PRECISION = "float16", "bfloat16"

# The largest finite number. That of bfloat16 is near float32's, which products do not reach.
MAX_FLOAT16 = 65504.0


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


def to_score_precision(x: Tensor, limit: float = MAX_ABSOLUTE_INPUT) -> Tensor:
    """Cast `x` to float32 (float64 is kept) and clip it, as the input of a score.

    Args:
        x: Tensor of any float dtype and shape.
        limit: The largest absolute value.

    Returns:
        Tensor of the same shape, float32 or float64.
    """
    return clip(at_least_float32(x), limit)


def clip_input(x: Tensor) -> Tensor:
    """Clip `x` to +-1e12, as the input of a projection; every number of float16 is smaller.

    Args:
        x: Tensor of any float dtype and shape.

    Returns:
        Tensor of the same shape and dtype.
    """
    if keras.backend.standardize_dtype(x.dtype) == "float16":
        return x
    return clip(x, MAX_ABSOLUTE_INPUT)


def saturate_cast(x: Tensor, dtype: str) -> Tensor:
    """Cast from or to half precision; what exceeds the range of float16 becomes its largest number.

    An overflow would become infinite, and the difference of two infinite products is NaN.

    Args:
        x: Float tensor of any shape. Infinite numbers of float16 are replaced too.
        dtype: A float dtype.

    Returns:
        Tensor of the same shape and of `dtype`.
    """
    if "float16" in (dtype, keras.backend.standardize_dtype(x.dtype)):
        x = clip(x, MAX_FLOAT16)
    return ops.cast(x, dtype)


def round_to_half(x: Tensor, dtype: str) -> Tensor:
    """Round `x` to `dtype` if that is half precision, as `saturate_cast` does."""
    return saturate_cast(x, dtype) if dtype in HALF_PRECISION else x


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
    # JAX multiplies the gradient of a clipped element by zero, which gives NaN if it is infinite.
    x = ops.convert_to_tensor(x)  # `ops.where` does not accept a variable on JAX
    x = ops.where(x > limit, limit, x)
    return ops.where(x < -limit, -limit, x)
