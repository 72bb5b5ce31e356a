"""Gradients of a scalar on the running backend, as numpy arrays."""

import keras
import numpy as np
from keras import ops


def gradients(loss, arrays, variables=()):
    """Compute the gradients of `loss(*tensors)` for the arrays, then for the Keras variables.

    `loss` gets the arrays as tensors and returns a scalar. The gradient for an array or variable on
    which it does not depend is zero.
    """
    tensors = [ops.convert_to_tensor(a) for a in arrays]
    grads = _BACKENDS[keras.backend.backend()](loss, tensors, list(variables))
    return [
        np.zeros(tuple(w.shape)) if g is None else _to_numpy(g)
        for g, w in zip(grads, [*tensors, *variables], strict=True)
    ]


def with_gradient(function):
    """Return a function that computes the scalar `function(query, key)` and its gradients."""
    import tensorflow as tf

    def run(query, key):
        with tf.GradientTape() as tape:
            tape.watch([query, key])
            value = function(query, key)
        return value, *tape.gradient(value, [query, key])

    return run


def _to_numpy(gradient):
    if keras.backend.standardize_dtype(gradient.dtype) == "bfloat16":
        gradient = ops.cast(
            gradient, "float32"
        )  # TensorFlow cannot convert a bfloat16 scalar to numpy
    return ops.convert_to_numpy(gradient)


def _tensorflow(loss, tensors, variables):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = loss(*tensors)
    return tape.gradient(value, [*tensors, *(v.value for v in variables)])


def _jax(loss, tensors, variables):
    import jax

    def pure(tensors, values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return loss(*tensors)

    grad_tensors, grad_values = jax.grad(pure, (0, 1))(tensors, [v.value for v in variables])
    return [*grad_tensors, *grad_values]


def _torch(loss, tensors, variables):
    import torch

    tensors = [t.clone().requires_grad_() for t in tensors]
    value = loss(*tensors)
    return torch.autograd.grad(value, [*tensors, *(v.value for v in variables)], allow_unused=True)


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
