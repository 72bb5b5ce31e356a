"""Detect tensors that have no values yet, because a function of a backend is being traced."""

from typing import Any

import keras
from keras import tree


def is_traced(nest: Any) -> bool:
    """Return whether a nest holds a tensor of a graph or transformation that is being traced.

    Such tensors occur inside `tf.function`, `jax.jit`, `torch.compile`, in loops that a backend
    compiles, and in vectorized maps. They cannot be converted to arrays.
    """
    return any(keras.ops.is_tensor(x) and _has_no_values(x) for x in tree.flatten(nest))


def _has_no_values(tensor):
    if keras.backend.backend() == "tensorflow":
        return not hasattr(tensor, "numpy")
    if keras.backend.backend() == "jax":
        from jax.core import Tracer

        return isinstance(tensor, Tracer)
    try:
        tensor.data_ptr()  # Tensors without storage raise an error.
    except RuntimeError:
        return True
    return False
