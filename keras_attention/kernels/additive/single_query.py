"""Additive scores of one query per sequence, for loops: the keys' part is computed before the loop.

With A = e^(2 query) and B = e^(2 key), tanh(query + key) = 1 - 2 r for the reciprocal
r = 1 / (1 + A B). B is computed once per sequence, and each pair of a step costs one division. The
gradient recomputes r, so that the size of what a loop stores for each step does not grow with
Tk * units.
"""

from typing import Any, NamedTuple

from keras import ops

from keras_attention.kernels.additive.scores import as_tensor, clip_projections


class StepKeys(NamedTuple):
    """Projected keys `(batch, Tk, units)`, and their `exponentials`, for `additive_step`."""

    keys: Any
    exponentials: Any


def exponentials(keys):
    """Return B of projected keys `(batch, Tk, units)`, a constant to the gradient.

    The first and second derivatives of `additive_step` are those of the keys instead.
    """
    return ops.stop_gradient(ops.exp(2 * clip_projections(keys)))


def additive_step(query, keys, scale):
    """Compute `scores[:, 0, j] = sum_u scale_u tanh(query_0u + key_ju)`.

    Args:
        query: Projected query `(batch, 1, units)`, float32 or float64.
        keys: A `StepKeys`. The scores are computed from its exponentials; the gradient is that of
            its keys.
        scale: `(units,)`.

    Returns:
        Scores `(batch, 1, Tk)`; projections are clipped to +-43, as in `additive_scores`.

    Example:
    >>> from keras_attention.kernels.additive.single_query import *
    >>> query, keys = np.ones((2, 1, 4), "float32"), np.ones((2, 7, 4), "float32")
    >>> additive_step(query, StepKeys(keys, exponentials(keys)), np.ones(4, "float32")).shape
    TensorShape([2, 1, 7])
    """
    query, projected = clip_projections(query), clip_projections(keys.keys)
    return _step(query, projected, keys.exponentials, as_tensor(scale, query))


# The second derivative differentiates the operations of the gradient, and on JAX also those of the
# scores. In both, `_reciprocals` makes them depend on the keys.
@ops.custom_gradient
def _step(query, keys, exponentials, scale):
    def gradient(*args, upstream=None):
        upstream = args[-1] if upstream is None else upstream  # (batch, 1, Tk)
        r = _reciprocals(query, keys, exponentials)
        slopes = 4 * (r - r * r)
        grad_query = ops.matmul(upstream, slopes) * scale
        grad_keys = ops.swapaxes(upstream, 1, 2) * slopes * scale
        grad_scale = ops.sum(upstream) - 2 * ops.sum(ops.matmul(upstream, r), axis=(0, 1))
        return grad_query, grad_keys, ops.zeros_like(exponentials), grad_scale

    scores = ops.sum(scale) - 2 * ops.matmul(_reciprocals(query, keys, exponentials), scale)
    return ops.expand_dims(scores, 1), gradient


def _reciprocals(query, keys, exponentials):
    """Compute `r` from the exponentials, with the gradient of query and keys."""
    # In a gradient inside a TensorFlow loop, arguments of a custom gradient must be tensors of that
    # gradient's own graph. These reshapes make them so, and cost nothing under XLA.
    inputs = (ops.reshape(x, ops.shape(x)) for x in (query, keys, exponentials))
    return _differentiable_reciprocals(*inputs)


@ops.custom_gradient
def _differentiable_reciprocals(query, keys, exponentials) -> Any:
    def gradient(*args, upstream=None):
        upstream = args[-1] if upstream is None else upstream
        r = _reciprocals(query, keys, exponentials)
        grad_keys = -2 * upstream * (r - r * r)
        grad_query = ops.sum(grad_keys, axis=1, keepdims=True)
        return grad_query, grad_keys, ops.zeros_like(exponentials)

    return 1 / (1 + ops.exp(2 * query) * exponentials), gradient
