"""Convert arguments to arrays and lists; errors name the invalid argument."""

from collections.abc import Sized
from typing import Any

import numpy as np
from keras import ops

# Weights that a softmax computes in half precision exceed [0, 1] by less than this.
ROUNDING_TOLERANCE = 1e-3


def get_rank(array: Any) -> int | None:
    """Return the rank of an array, a tensor or nested lists; None if rows differ in length."""
    try:
        return np.ndim(array)
    except ValueError:
        return None


def to_array(name: str, array: Any) -> np.ndarray:
    """Return finite real numbers as a float32 array."""
    try:
        numbers = np.asarray(ops.convert_to_numpy(array))
        # `astype` would parse the string "0.5", and drop imaginary parts.
        if numbers.dtype.kind in "OSUcmM":
            raise TypeError(f"{numbers.dtype} does not hold real numbers")
        numbers = numbers.astype("float32")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected `{name}` to be an array of real numbers. Received: {name}={array!r}"
        ) from error
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"Expected `{name}` to be finite. "
            f"Received: {np.count_nonzero(~np.isfinite(numbers))} values that are not"
        )
    return numbers


def check_unit_range(name: str, numbers: np.ndarray) -> None:
    """Raise a ValueError if numbers are outside [0, 1] by more than rounding errors."""
    low, high = (numbers.min(), numbers.max()) if numbers.size else (0, 0)
    if low < -ROUNDING_TOLERANCE or high > 1 + ROUNDING_TOLERANCE:
        raise ValueError(
            f"Expected `{name}` between 0 and 1. Received: {name} from {low:.4g} to {high:.4g}"
        )


def to_weights(weights: Any) -> np.ndarray:
    """Return attention weights as float32, with rounding errors clipped to [0, 1]."""
    numbers = to_array("weights", weights)
    check_unit_range("weights", numbers)
    return numbers.clip(0, 1)


def to_list(name: str, value: Any) -> list:
    """Return the items of an iterable as a list."""
    try:
        return list(value)
    except TypeError:
        raise ValueError(f"Expected `{name}` to be a list. Received: {name}={value!r}") from None


def check_count(name: str, items: Sized, count: int, noun: str) -> None:
    """Raise a ValueError unless there is one item for each of `count` things.

    Args:
        name: The argument's name, for the error.
        items: The argument.
        count: The expected number of items.
        noun: The things in the plural, such as "matrices", for the error.
    """
    if len(items) != count:
        raise ValueError(
            f"Expected `{name}` to hold one item for each of the {count} {noun}. "
            f"Received: {len(items)} items, {name}={items!r}"
        )
