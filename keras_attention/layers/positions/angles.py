"""Positions as angles on circles that turn at ever slower rates (Vaswani et al. 2017)."""

import numbers

import numpy as np
from keras import ops


def angles(positions, width, base, dtype="float32"):
    """`angle[t, i] = positions[t] / base^(2 i / width)`.

    Args:
        positions: Integers or floats `(..., T)`.
        width: Number of features that the angles are for, two an angle.
        base: The slowest circle turns about this many times as slowly as the fastest.
        dtype: What to compute in: half precision cannot tell late positions apart.

    Returns:
        Angles `(..., T, ceil(width / 2))` of that dtype.
    """
    rates = base ** (-2 * np.arange((width + 1) // 2) / width)
    positions = ops.expand_dims(ops.cast(positions, dtype), -1)
    return positions * ops.convert_to_tensor(rates.astype(dtype))


def base_of(name, value):
    """Returns `value` as a float if it can be the base of wavelengths, a number above 1."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not 1 < value < float("inf"):
        raise ValueError(f"Expected `{name}` to be a number above 1. Received: {name}={value!r}")
    return float(value)
