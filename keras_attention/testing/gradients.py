"""Gradients of a scalar on the current backend, as numpy arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


def gradients(loss: Callable, arrays: Sequence, variables: Sequence = ()) -> list[np.ndarray]:
    """Return the gradients of `loss(*tensors)` with respect to arrays, then Keras variables.

    Args:
        loss: A function of as many tensors as there are arrays. It returns a scalar.
        arrays: Numpy arrays or tensors.
        variables: Keras variables.

    Returns:
        Numpy arrays; zeros for an array or variable on which the loss does not depend.
    """
    tensors = [ops.convert_to_tensor(a) for a in arrays]
    run = _create(lambda *tensors: (loss(*tensors), ()), len(tensors), list(variables), jit=False)
    return run(*tensors)[1]


def outputs_and_gradients(function: Callable, count: int, variables: Sequence) -> Callable:
    """Return a function that computes outputs and gradients in one pass; jitted on JAX.

    Args:
        function: A function of tensors that returns a scalar loss and a nest of outputs.
        count: The loss is differentiated with respect to the first `count` arguments.
        variables: The Keras variables with respect to which the loss is differentiated.

    Returns:
        A function of the same arguments that returns the outputs, and a list of gradients as numpy
        arrays.
    """
    return _create(function, count, list(variables), jit=True)


def _create(function, count, variables, jit):
    backend = keras.backend.backend()
    if backend == "jax":
        differentiate = _differentiate_jax(function, count, variables, jit)
    else:
        differentiate = {"tensorflow": _differentiate_tensorflow, "torch": _differentiate_torch}[
            backend
        ](function, count, variables)

    def run(*arguments):
        outputs, grads = differentiate(*arguments)
        sources = [*arguments[:count], *variables]
        return outputs, [
            np.zeros(tuple(source.shape)) if grad is None else gradient_to_numpy(grad)
            for grad, source in zip(grads, sources, strict=True)
        ]

    return run


def gradient_to_numpy(gradient: Any) -> np.ndarray:
    """Convert a gradient of any float dtype."""
    if keras.backend.standardize_dtype(gradient.dtype) == "bfloat16":
        gradient = ops.cast(gradient, "float32")  # TensorFlow cannot convert a bfloat16 scalar.
    return ops.convert_to_numpy(gradient)


def _differentiate_tensorflow(function, count, variables):
    import tensorflow as tf

    def differentiate(*arguments):
        sources = [*arguments[:count], *(v.value for v in variables)]
        with tf.GradientTape() as tape:
            tape.watch(list(arguments[:count]))
            loss, outputs = function(*arguments)
        return outputs, tape.gradient(loss, sources)

    return differentiate


def _differentiate_jax(function, count, variables, jit):
    import jax

    def compute(tensors, values, constants):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*tensors, *constants)

    grad = jax.grad(compute, (0, 1), has_aux=True)
    grad = jax.jit(grad) if jit else grad

    def differentiate(*arguments):
        values = [v.value for v in variables]
        (grad_tensors, grad_values), outputs = grad(
            list(arguments[:count]), values, list(arguments[count:])
        )
        return outputs, [*grad_tensors, *grad_values]

    return differentiate


def _differentiate_torch(function, count, variables):
    import torch

    def differentiate(*arguments):
        tensors = [t.clone().requires_grad_() for t in arguments[:count]]
        loss, outputs = function(*tensors, *arguments[count:])
        sources = [*tensors, *(v.value for v in variables)]
        return outputs, torch.autograd.grad(loss, sources, allow_unused=True)

    return differentiate
