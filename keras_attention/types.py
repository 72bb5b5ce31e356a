"""Type aliases for annotations. Keras has no type for a tensor of any backend."""

from collections.abc import Callable
from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of the running backend, a numpy array or a `keras.KerasTensor`."""

Shape: TypeAlias = tuple[int | None, ...]
"""A shape, with None for each size that is unknown until run time."""

Nest: TypeAlias = Any
"""A tensor, or lists, tuples and dicts of tensors nested to any depth, as in `keras.tree`."""

Layer: TypeAlias = Any
"""A `keras.layers.Layer`: to a type checker, every class of Keras is unknown."""

Initializer: TypeAlias = Any
"""A `keras.initializers.Initializer`, or its name or config."""

Regularizer: TypeAlias = Any
"""A `keras.regularizers.Regularizer`, or its name or config, or None."""

Normalizer: TypeAlias = Callable[..., Tensor]
"""A function `(scores, mask) -> weights`."""

Config: TypeAlias = dict[str, Any]
"""A config, as `get_config` returns it."""

__all__ = [
    "Config",
    "Initializer",
    "Layer",
    "Nest",
    "Normalizer",
    "Regularizer",
    "Shape",
    "Tensor",
]
