"""The floating-point precision of scores and contexts, independent of the dtype policy."""

import keras
from keras import ops

from keras_attention.batch_axes import broadcast_axes, join_batch_sizes
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
    return ops.clip(at_least_float32(x), -MAX_ABSOLUTE_INPUT, MAX_ABSOLUTE_INPUT)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices in float32 (float64 is kept).

    Batch axes that are known to differ are made equal before: see `batch_axes`.

    Args:
        a: `(batch, ..., m, n)`, any float dtype.
        b: `(batch, ..., n, k)`, any float dtype.

    Returns:
        Tensor `(batch, ..., m, k)`, float32 or float64.
    """
    a, b = at_least_float32(a), at_least_float32(b)
    axes = len(a.shape) - 2
    if axes > 1 and len(a.shape) == len(b.shape) and tuple(a.shape[:axes]) != tuple(b.shape[:axes]):
        sizes = join_batch_sizes([a, b], axes)
        a, b = broadcast_axes(a, sizes), broadcast_axes(b, sizes)
    return ops.matmul(a, b)
