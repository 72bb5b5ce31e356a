"""Second derivatives of a scalar on the current backend, as numpy arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_attention.testing.gradients import gradient_to_numpy


def gradients_of_slope(function: Callable, count: int, variables: Sequence) -> Callable:
    """Return a function that computes Hessian-vector products, the gradients of a slope.

    Args:
        function: A function of tensors that returns a scalar loss.
        count: The loss is differentiated with respect to the first `count` arguments.
        variables: The Keras variables with respect to which the loss is differentiated.

    Returns:
        A function of the same arguments and of `directions`: one array for each of the first
        `count` arguments and each variable. It returns the gradients of
        `sum(gradient * direction)` as numpy arrays.
    """
    backends = {
        "tensorflow": _differentiate_tensorflow,
        "jax": _differentiate_jax,
        "torch": _differentiate_torch,
    }
    differentiate = backends[keras.backend.backend()](function, count, list(variables))

    def run(*arguments, directions):
        gradients = differentiate(*arguments, directions=directions)
        return [
            np.zeros(np.shape(direction)) if gradient is None else gradient_to_numpy(gradient)
            for gradient, direction in zip(gradients, directions, strict=True)
        ]

    return run


def _differentiate_tensorflow(function, count, variables):
    import tensorflow as tf

    def differentiate(*arguments, directions):
        sources = [*arguments[:count], *(v.value for v in variables)]
        with tf.GradientTape() as outer:
            outer.watch(list(arguments[:count]))
            with tf.GradientTape() as tape:
                tape.watch(list(arguments[:count]))
                loss = function(*arguments)
            gradients = tape.gradient(loss, sources)
            slope = _sum_products(gradients, directions)
        return outer.gradient(slope, sources)

    return differentiate


def _differentiate_jax(function, count, variables):
    import jax

    def compute(tensors, values, constants):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*tensors, *constants)

    def slope(tensors, values, constants, directions):
        grad_tensors, grad_values = jax.grad(compute, (0, 1))(tensors, values, constants)
        return _sum_products([*grad_tensors, *grad_values], directions)

    grad = jax.jit(jax.grad(slope, (0, 1)))

    def differentiate(*arguments, directions):
        tensors, constants = list(arguments[:count]), list(arguments[count:])
        grad_tensors, grad_values = grad(
            tensors, [v.value for v in variables], constants, directions
        )
        return [*grad_tensors, *grad_values]

    return differentiate


def _differentiate_torch(function, count, variables):
    import torch

    def differentiate(*arguments, directions):
        tensors = [t.clone().requires_grad_() for t in arguments[:count]]
        sources = [*tensors, *(v.value for v in variables)]
        loss = function(*tensors, *arguments[count:])
        gradients = torch.autograd.grad(loss, sources, create_graph=True, allow_unused=True)
        slope = _sum_products(gradients, directions)
        return torch.autograd.grad(slope, sources, allow_unused=True)

    return differentiate


def _sum_products(gradients, directions) -> Any:
    return sum(
        ops.sum(ops.convert_to_tensor(gradient) * ops.convert_to_tensor(direction))
        for gradient, direction in zip(gradients, directions, strict=True)
        if gradient is not None
    )
