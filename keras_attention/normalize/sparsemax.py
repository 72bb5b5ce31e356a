"""Sparse weights by projection onto the simplex: low-scoring keys get exactly zero weight."""

import keras
from keras import ops

from keras_attention.normalize.masked import masked
from keras_attention.types import Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
@masked
def sparsemax(scores: Tensor) -> Tensor:
    """Return the point of the probability simplex nearest to the scores: `max(scores - tau, 0)`.

    Args:
        scores: `(batch, ..., Tq, Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = visible; None = everything is visible.

    Returns:
        Weights of the same shape, float32 (float64 is kept), many of them exactly zero: each row
        sums to 1, or is all zero if it is fully masked.

    Raises:
        ValueError: If the mask is not broadcastable to the scores.

    Example:
    >>> keras_attention.normalize.sparsemax(np.array([[0.5, 0.0, -3.0]], "float32")).numpy()
    array([[0.75, 0.25, 0.  ]], dtype=float32)

    Reference:
        Martins, Astudillo (2016), algorithm 1, https://arxiv.org/abs/1602.02068.
    """
    best = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    # A score of 1 or more below the best has weight 0, so clipping at -2 changes no weight. (A
    # score clipped at -1 could equal tau.) Clipping keeps the sums small although masked scores are
    # the most negative float32.
    z = ops.maximum(scores - best, -2.0)
    ranked = ops.flip(ops.sort(ops.stop_gradient(z), axis=-1), axis=-1)
    rank = ops.cast(ops.arange(1, ops.shape(scores)[-1] + 1), z.dtype)
    in_support = 1 + rank * ranked > ops.cumsum(ranked, axis=-1)
    # The support is decided once, by the lowest score in it, so that rounding cannot separate equal
    # scores. tau is computed from the unsorted scores, so that its gradient needs no sorting.
    lowest = ops.min(ops.where(in_support, ranked, ops.ones_like(ranked)), axis=-1, keepdims=True)
    is_outside = z < lowest
    zeros = ops.zeros_like(z)
    size = ops.sum(ops.where(is_outside, zeros, ops.ones_like(z)), axis=-1, keepdims=True)
    total = ops.sum(ops.where(is_outside, zeros, z), axis=-1, keepdims=True)
    weights = ops.where(is_outside, zeros, z - (total - 1) / size)
    # A weight of zero at the edge of the support may be negative by rounding. Correcting it without
    # a gradient keeps the gradients of a row consistent.
    return weights + ops.stop_gradient(ops.relu(-weights))
