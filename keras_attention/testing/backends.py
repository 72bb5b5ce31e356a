"""Functions that differ between backends: conversion, compilation, output shapes."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


def to_numpy(nest: Any) -> tuple:
    """Convert a sequence of tensors to float64 numpy arrays."""
    return keras.tree.map_structure(
        lambda x: ops.convert_to_numpy(x).astype("float64"), tuple(nest)
    )


def compile_function(function: Callable) -> Callable:
    """Compile a function of tensors with XLA; on torch, return it unchanged."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def compute_shapes(function: Callable, *arrays: np.ndarray) -> tuple:
    """Return the shapes of a function's outputs; on JAX, trace it without compiling it."""
    if keras.backend.backend() == "jax":
        import jax

        outputs = jax.eval_shape(function, *arrays)
    else:
        outputs = function(*arrays)
    return tuple(tuple(x.shape) for x in outputs)


def to_tensor(x: Any) -> Any:
    """Convert to a tensor of the same dtype; Keras alone would cast float64 to float32 on torch."""
    array = np.asarray(x)
    return ops.convert_to_tensor(array, str(array.dtype))
