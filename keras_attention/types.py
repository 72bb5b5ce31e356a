"""Type aliases for annotations: Keras has no type of its own for a tensor of any backend."""

from collections.abc import Callable
from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of the running backend, a numpy array or a `keras.KerasTensor`."""

Shape: TypeAlias = tuple[int | None, ...]
"""A shape; None stands for a size that is unknown until run time."""

Nest: TypeAlias = Any
"""A tensor, or lists, tuples and dicts of tensors to any depth, as `keras.tree` handles them."""

Initializer: TypeAlias = Any
"""A `keras.initializers.Initializer`, its name or its config."""

Regularizer: TypeAlias = Any
"""A `keras.regularizers.Regularizer`, its name or its config, or None."""

Normalizer: TypeAlias = Callable[..., Tensor]
"""A function `(scores, mask) -> weights`."""

Config: TypeAlias = dict[str, Any]
"""What `get_config` returns."""

__all__ = [
    "Config",
    "Initializer",
    "Nest",
    "Normalizer",
    "Regularizer",
    "Shape",
    "Tensor",
]
