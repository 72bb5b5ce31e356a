"""Validate constructor arguments, with errors that name the argument and its value."""

import functools
import math
import numbers
from collections.abc import Hashable, Sequence
from typing import Any, TypeGuard

import keras
import numpy as np


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
    return int(value)


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


def boolean(name: str, value: Any) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"Expected `{name}` to be True or False. Received: {name}={value!r}")
    return value


def one_of(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """Return `value` if it is one of the `choices`."""
    if not isinstance(value, Hashable) or value not in choices:  # Arrays compare by element.
        raise ValueError(f"Expected `{name}` to be one of {choices}. Received: {name}={value!r}")
    return value


def seed(name: str, value: Any) -> int | None:
    """Return `value` as an int if it can seed Keras's random numbers on this backend, or None."""
    if value is None:
        return None
    smallest, largest = _seed_limits()
    if not is_integer(value) or not smallest <= value <= largest:
        raise ValueError(
            f"Expected `{name}` to be None or an integer from {smallest} to {largest} (on the "
            f"{keras.backend.backend()} backend). Received: {name}={value!r}"
        )
    return int(value)


@functools.cache
def _seed_limits() -> tuple[int, int]:
    """Return the smallest and largest seed, which depend on the backend's dtype of seeds."""
    # The name is passed because an automatic one would shift the names of all later generators.
    state = keras.random.SeedGenerator(0, name="seed_limits").state
    limits = np.iinfo(keras.backend.standardize_dtype(state.dtype))
    return int(limits.min), int(limits.max)


def initializer(name: str, value: Any) -> Any:
    """Return the initializer of a name, a config or an initializer; None = Keras's default."""
    return _get(keras.initializers.get, name, value, "a Keras initializer, its name or config")


def regularizer(name: str, value: Any) -> Any:
    """Return the regularizer of a name, a config or a regularizer; None = no regularization."""
    expected = "a Keras regularizer, its name or config, or None"
    return _get(keras.regularizers.get, name, value, expected)


def activation(name: str, value: Any) -> Any:
    """Return the activation of a name, a config or a function; None = linear."""
    expected = "a Keras activation, its name or config, a function, or None"
    return _get(keras.activations.get, name, value, expected)


def _get(get, name, value, expected):
    """Call a `get` of Keras, whose own errors do not say which argument was wrong."""
    try:
        return get(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected `{name}` to be {expected}. Received: {name}={value!r} ({error})"
        ) from error
