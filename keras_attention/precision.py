"""The number format in which scores are computed, whatever the dtype policy."""

import keras
from keras import ops

# A product of two projections of numbers up to this one is finite in float32, so no
# difference of infinities (NaN) can arise in a score. Weights that far apart are one-hot anyway.
LARGEST = 1e12


def score_dtype(dtype):
    """The dtype, a string, of scores and weights computed from tensors of `dtype`."""
    return "float64" if dtype == "float64" else "float32"


def at_least_float32(x):
    """Casts a float tensor to float32; float64 stays.

    float16 overflows in a single product of two moderate numbers and bfloat16 keeps three digits.

    Args:
        x: Tensor of any float dtype and shape.

    Returns:
        Tensor of the same shape, float32 or float64.
    """
    return ops.cast(x, score_dtype(keras.backend.standardize_dtype(x.dtype)))


def to_score_precision(x):
    """What a score is computed from: `x` in float32 at least and held within +-1e12.

    Args:
        x: Tensor of any float dtype and shape.

    Returns:
        Tensor of the same shape, float32 or float64.
    """
    return ops.clip(at_least_float32(x), -LARGEST, LARGEST)
