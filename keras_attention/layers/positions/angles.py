"""Sinusoidal position angles, shared by PositionalEncoding and rotary positions.

Vaswani et al. (2017), section 3.5.
"""

import numpy as np
from keras import ops

from keras_attention import arguments


def compute_angles(positions, width, base, dtype="float32"):
    """Compute `angle[t, i] = positions[t] / base^(2 i / width)`.

    Args:
        positions: Integers or floats `(..., T)`.
        width: Number of features; there is one angle for every two.
        base: Ratio of the longest to the shortest wavelength, approximately.
        dtype: Dtype of the computation, float32 or float64: half precision cannot distinguish late
            positions.

    Returns:
        Angles `(..., T, ceil(width / 2))` of that dtype.
    """
    rates = base ** (-2 * np.arange((width + 1) // 2) / width)
    positions = ops.expand_dims(ops.cast(positions, dtype), -1)
    return positions * ops.convert_to_tensor(rates.astype(dtype))


def check_base(name, value):
    """Return `value` as a float; raise a ValueError unless it is a finite number above 1."""
    if not arguments.is_real(value) or not 1 < value < float("inf"):
        raise ValueError(
            f"Expected `{name}` to be a finite number above 1. Received: {name}={value!r}"
        )
    return float(value)
