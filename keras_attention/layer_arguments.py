"""Validate constructor arguments that Keras interprets: seeds, initializers, activations."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_attention.arguments import is_integer


def check_seed(name: str, value: Any) -> int | None:
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


def get_initializer(name: str, value: Any) -> Any:
    """Return the initializer for a name, a config or an initializer; None = Keras's default."""
    return _get(keras.initializers.get, name, value, "a Keras initializer, its name or config")


def get_regularizer(name: str, value: Any) -> Any:
    """Return the regularizer for a name, a config or a regularizer; None = no regularization."""
    expected = "a Keras regularizer, its name or config, or None"
    return _get(keras.regularizers.get, name, value, expected)


def get_activation(name: str, value: Any) -> Any:
    """Return the activation for a name, a config or a function; None = linear."""
    expected = "a Keras activation, its name or config, a function, or None"
    return _get(keras.activations.get, name, value, expected)


def _get(get: Callable[[Any], Any], name: str, value: Any, expected: str) -> Any:
    """Call a `get` of Keras, whose own errors do not say which argument is wrong."""
    try:
        return get(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected `{name}` to be {expected}. Received: {name}={value!r} ({error})"
        ) from error
