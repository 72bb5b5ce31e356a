"""Gradients of a function's outputs, by the differentiation of each backend."""

from collections.abc import Callable, Sequence

import keras

from keras_attention.types import Nest, Tensor


def make_gradient(
    function: Callable[[list[Tensor], Nest], Tensor],
    variables: Sequence[keras.Variable],
    use_graph: bool = False,
) -> Callable[[list[Tensor], Nest, Tensor], list[Tensor]]:
    """Return a function that computes gradients, and changes no variable.

    Args:
        function: `(points, arguments) -> outputs`, where points are floating-point tensors, and
            arguments a nest of tensors and None.
        variables: The variables that the function reads. JAX compiles the gradients, and these are
            arguments of the compiled function instead of constants in it.
        use_graph: Whether TensorFlow traces a graph, which pays off if it runs often.

    Returns:
        `(points, arguments, cotangent) -> gradients`, the gradients of
        `sum(cotangent * function(points, arguments))` with respect to each of the points.
    """
    make = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    return make(function, variables, use_graph)


def _tensorflow(function, variables, use_graph):
    import tensorflow as tf

    def compute(points, arguments, cotangent):
        with keras.StatelessScope(), tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            outputs = function(points, arguments)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(outputs, points, cotangent, unconnected_gradients=zero)
        # The gradient of a lookup in a point is sparse.
        return [tf.convert_to_tensor(gradient) for gradient in gradients]

    return tf.function(compute, reduce_retracing=True) if use_graph else compute


def _jax(function, variables, use_graph):
    import jax

    @jax.jit
    def compute(values, points, arguments, cotangent):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            _, pull_back = jax.vjp(lambda points: function(points, arguments), points)
        (gradients,) = pull_back(cotangent)
        return gradients

    def compute_with_values(points, arguments, cotangent):
        return compute([v.value for v in variables], points, arguments, cotangent)

    return compute_with_values


def _torch(function, variables, use_graph):
    import torch

    def compute(points, arguments, cotangent):
        points = [point.detach().requires_grad_() for point in points]
        with keras.StatelessScope(), torch.enable_grad():
            outputs = function(points, arguments)
        if not outputs.requires_grad:
            return [torch.zeros_like(point) for point in points]
        gradients = torch.autograd.grad(outputs, points, cotangent, allow_unused=True)
        pairs = zip(gradients, points, strict=True)
        return [torch.zeros_like(point) if g is None else g for g, point in pairs]

    return compute


def sum_over(
    function: Callable[[Tensor], list[Tensor]], count: int, start: list[Tensor]
) -> list[Tensor]:
    """Return the sums of the tensors that a function returns for 0, 1, ..., `count` - 1.

    TensorFlow's loop can be part of a graph. JAX would compile a loop again in each call, so there
    the function, which is compiled already, is called by Python.

    Args:
        function: Function of an integer tensor, or an integer.
        count: Number of terms.
        start: Tensors of zeros, of the results' shapes.
    """

    def add(step, totals):
        return [total + term for total, term in zip(totals, function(step), strict=True)]

    if keras.backend.backend() == "tensorflow":
        return keras.ops.fori_loop(0, count, add, start)
    totals = start
    for step in range(count):
        totals = add(step, totals)
    return totals
