"""Validate constructor arguments, with errors that name the argument and its value."""

import math
import numbers
from collections.abc import Hashable, Sequence
from typing import Any, TypeGuard

MAX_INT32 = 2**31 - 1  # the largest size of an axis


def is_integer(value: Any) -> TypeGuard[int]:
    """Return True if `value` is an integer of Python or numpy, and not a bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_real(value: Any) -> TypeGuard[float]:
    """Return True if `value` is a real number of Python or numpy, and not a bool."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def positive_integer(name: str, value: Any, optional: bool = False) -> Any:
    """Return `value` as an int if it is an integer of at least 1 (or None, if `optional`)."""
    if optional and value is None:
        return None
    if not is_integer(value) or value < 1:
        or_none = " or None" if optional else ""
        raise ValueError(
            f"Expected `{name}` to be an integer of at least 1{or_none}. Received: {name}={value!r}"
        )
    return _check_int32(name, value)


def nonnegative_integer(name: str, value: Any) -> int:
    """Return `value` as an int if it is an integer of at least 0."""
    if not is_integer(value) or value < 0:
        raise ValueError(
            f"Expected `{name}` to be an integer of at least 0. Received: {name}={value!r}"
        )
    return _check_int32(name, value)


def _check_int32(name: str, value: int) -> int:
    """Return `value` as an int if int32 can hold it: TensorFlow would drop the upper bits."""
    if value > MAX_INT32:
        raise ValueError(
            f"Expected `{name}` to be an integer of at most {MAX_INT32}. Received: {name}={value!r}"
        )
    return int(value)


def size(name: str, value: Any) -> Any:
    """Return `value` if it is an integer of at least 0, a scalar tensor or a symbolic size."""
    if not isinstance(value, numbers.Number | str | list | tuple | dict | None):
        return value
    if not is_integer(value) or value < 0:
        raise ValueError(
            f"Expected `{name}` to be an integer of at least 0 or a scalar tensor. "
            f"Received: {name}={value!r}"
        )
    return _check_int32(name, value)


def rate(name: str, value: Any) -> float:
    """Return `value` as a float if it is a number with 0 <= value < 1."""
    if not is_real(value) or not 0 <= value < 1:
        raise ValueError(
            f"Expected `{name}` to be a number in the range [0, 1). Received: {name}={value!r}"
        )
    return float(value)


def positive_number(name: str, value: Any, optional: bool = False) -> Any:
    """Return `value` as a float if it is a finite number above 0 (or None, if `optional`)."""
    if optional and value is None:
        return None
    if not is_real(value) or not 0 < value < math.inf:
        or_none = " or None" if optional else ""
        raise ValueError(
            f"Expected `{name}` to be a finite number above 0{or_none}. Received: {name}={value!r}"
        )
    return float(value)


def nonnegative_number(name: str, value: Any) -> float:
    """Return `value` as a float if it is a finite number of at least 0."""
    if not is_real(value) or not 0 <= value < math.inf:
        raise ValueError(
            f"Expected `{name}` to be a finite number of at least 0. Received: {name}={value!r}"
        )
    return float(value)


def boolean(name: str, value: Any) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"Expected `{name}` to be True or False. Received: {name}={value!r}")
    return value


def one_of(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """Return `value` if it is one of the `choices`."""
    # An array is not hashable, and would be compared with each choice elementwise.
    if not isinstance(value, Hashable) or value not in choices:
        raise ValueError(f"Expected `{name}` to be one of {choices}. Received: {name}={value!r}")
    return value
