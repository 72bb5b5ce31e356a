"""Convert arguments to arrays and lists, and refuse the wrong ones by name."""

from collections.abc import Sized
from typing import Any

import numpy as np
from keras import ops

# Softmax in half precision exceeds [0, 1] by less than this.
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
        # numpy would parse the string "0.5" and drop imaginary parts.
        if numbers.dtype.kind in "OSUcmM":
            raise TypeError(f"no real numbers but {numbers.dtype}")
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
    """Refuse numbers outside of [0, 1] by more than rounding."""
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


def check_count(name: str, items: Sized, count: int, unit: str) -> None:
    """Refuse a list that does not hold one item for each of `count` units, e.g. "matrices"."""
    if len(items) != count:
        raise ValueError(
            f"Expected `{name}` to hold one item for each of the {count} {unit}. "
            f"Received: {len(items)} items, {name}={items!r}"
        )
