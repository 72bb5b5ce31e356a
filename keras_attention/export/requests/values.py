"""Plausible values for an input of a request that nobody has passed."""

from typing import Any

import numpy as np


def make_array(
    dtype: Any, shape: list[int], number: int, random: np.random.Generator
) -> np.ndarray:
    """Return an array of plausible values.

    Args:
        dtype: A `tf.DType` with a name in `keras_attention.export.signatures.dtypes.DTYPES`.
        shape: The shape.
        number: The value of integers. Bools are True unless it is 0. Floats are small and random,
            and strings consist of one word "a" in the first row, two in the second, and so on:
            padding to the longest row is a common fault.
        random: Draws the floats.
    """
    if dtype.is_floating or dtype.is_complex:
        values = 0.1 * random.standard_normal(shape)
    elif dtype.is_integer:
        values = np.full(shape, number)
    elif dtype.is_bool:
        values = np.full(shape, bool(number))
    else:
        values = np.empty(shape, object)
        for index in np.ndindex(*shape):
            values[index] = b" ".join([b"a"] * (index[0] + 1 if index else 1))
    return values.astype(dtype.as_numpy_dtype)
