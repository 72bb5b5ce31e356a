"""Additive scores of one query per sequence, for loops: the keys' part is computed before the loop.

With A = e^(2 query) and B = e^(2 key), tanh(query + key) = 1 - 2 r for the reciprocal
r = 1 / (1 + A B). B is computed once per sequence, and each pair of a step costs one division. The
gradient recomputes r, so that a loop does not store a tensor of Tk * units for each step.

Domain: projections within +-43, as in `xla`; steps with any other projection use the plain formula.
"""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.kernels.additive import formula, xla
from keras_attention.kernels.additive.branch import run_fast_or_exact
from keras_attention.kernels.additive.scores import as_tensor


class StepKeys(NamedTuple):
    """Keys for `additive_step`, and the tensors computed from them once per sequence.

    keys: Projected keys `(batch, Tk, units)`; exponentials: B, `(batch, Tk, units)`; maxima: the
    largest absolute value of each sequence's keys, `(batch,)`.
    """

    keys: Any
    exponentials: Any
    maxima: Any


def prepare_keys(keys):
    """Return the `StepKeys` of projected keys `(batch, Tk, units)`."""
    exponentials, maxima = xla.exponentiate(keys), ops.max(ops.abs(keys), axis=(1, 2))
    # JAX applies a custom gradient once. Higher derivatives are those of the operations of the
    # forward pass, which uses the exponentials and not the keys.
    if keras.backend.backend() != "jax":
        exponentials = ops.stop_gradient(exponentials)
    return StepKeys(keys, exponentials, ops.stop_gradient(maxima))


def additive_step(query, keys, scale):
    """Compute `scores[:, 0, j] = sum_u scale_u tanh(query_0u + key_ju)`.

    Args:
        query: Projected query `(batch, 1, units)`, float32 or float64.
        keys: A `StepKeys`. The scores are computed from its exponentials, but the gradient goes to
            its keys.
        scale: `(units,)`.

    Returns:
        Scores `(batch, 1, Tk)`.

    Example:
    >>> from keras_attention.kernels.additive.single_query import *
    >>> query, keys = np.ones((2, 1, 4), "float32"), np.ones((2, 7, 4), "float32")
    >>> additive_step(query, prepare_keys(keys), np.ones(4, "float32")).shape
    TensorShape([2, 1, 7])
    """
    query, projected = (ops.convert_to_tensor(x) for x in (query, keys.keys))
    return _step(query, projected, keys.exponentials, keys.maxima, as_tensor(scale, query))


@ops.custom_gradient
def _step(query, keys, exponentials, maxima, scale):
    # All tensors are arguments: JAX cannot differentiate a loop if a custom gradient in it closes
    # over a tensor of the loop.
    maximum = ops.maximum(ops.max(ops.abs(query)), ops.max(maxima))
    is_in_range = maximum <= xla.MAX_ABSOLUTE_PROJECTION

    def fast(query, keys, scale):
        r: Any = _reciprocals(query, keys, exponentials)
        return ops.expand_dims(ops.sum(scale) - 2 * ops.matmul(r, scale), 1)

    def fast_gradients(query, keys, scale, upstream):
        r: Any = _reciprocals(query, keys, exponentials)
        slopes = 4 * (r - r * r)
        grad_query = ops.matmul(upstream, slopes) * scale
        grad_keys = ops.swapaxes(upstream, 1, 2) * slopes * scale
        grad_scale = ops.sum(upstream) - 2 * ops.sum(ops.matmul(upstream, r), axis=(0, 1))
        return grad_query, grad_keys, grad_scale

    def gradient(*args, upstream=None):
        upstream = args[-1] if upstream is None else upstream  # (batch, 1, Tk)
        inputs = query, keys, scale, upstream
        grad_query, grad_keys, grad_scale = run_fast_or_exact(
            is_in_range, fast_gradients, formula.gradients, inputs
        )
        zeros = ops.zeros_like(exponentials), ops.zeros_like(maxima)
        return grad_query, grad_keys, *zeros, grad_scale

    scores = run_fast_or_exact(is_in_range, fast, formula.scores, (query, keys, scale))
    return scores, gradient


def _reciprocals(query, keys, exponentials):
    """Compute r, `(batch, Tk, units)`, from the exponentials, with gradients of any order."""
    # In a gradient inside a TensorFlow loop, arguments of a custom gradient must be tensors of that
    # gradient's own graph. These reshapes make them so, and cost nothing under XLA.
    inputs = (ops.reshape(x, ops.shape(x)) for x in (query, keys, exponentials))
    return _differentiable_reciprocals(*inputs)


@ops.custom_gradient
def _differentiable_reciprocals(query, keys, exponentials) -> Any:
    def gradient(*args, upstream=None):
        upstream = args[-1] if upstream is None else upstream
        r: Any = _reciprocals(query, keys, exponentials)
        grad_keys = -2 * upstream * (r - r * r)
        grad_query = ops.sum(grad_keys, axis=1, keepdims=True)
        return grad_query, grad_keys, ops.zeros_like(exponentials)

    return 1 / (1 + xla.exponentiate(query) * exponentials), gradient
