"""Weights by projection onto the simplex: poor keys get exactly nothing."""

import keras
from keras import ops

from keras_attention.normalize.masked import masked


@keras.saving.register_keras_serializable(package="keras_attention")
@masked
def sparsemax(scores):
    """The point of the probability simplex nearest to the scores: `max(scores - tau, 0)`.

    Args:
        scores: `(batch, ..., Tq, Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = may be seen; None = all.

    Returns:
        Weights of the same shape, float32 (float64 stays), many of them exactly zero: each row
        sums to 1, or is all zero where nothing may be seen.

    Example:
    >>> keras_attention.normalize.sparsemax(np.array([[0.5, 0.0, -3.0]], "float32")).numpy()
    array([[0.75, 0.25, 0.  ]], dtype=float32)

    Reference:
        Martins, Astudillo (2016), algorithm 1, https://arxiv.org/abs/1602.02068.
    """
    best = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    # Whatever lies 1 or more below the best has weight 0, so nothing is lost by stopping at 2
    # (at 1 it would tie with tau, and leak a gradient), and sums stay small for the lowest float
    # that stands for a masked score.
    z = ops.maximum(scores - best, -2.0)
    ranked = ops.flip(ops.sort(ops.stop_gradient(z), axis=-1), axis=-1)
    rank = ops.cast(ops.arange(1, ops.shape(scores)[-1] + 1), z.dtype)
    supported = 1 + rank * ranked > ops.cumsum(ranked, axis=-1)
    size = ops.sum(ops.cast(supported, z.dtype), axis=-1, keepdims=True)
    # tau again from the scores themselves, so that its gradient needs no sorting.
    lowest = ops.min(ops.where(supported, ranked, ops.ones_like(ranked)), axis=-1, keepdims=True)
    chosen = ops.where(z >= lowest, z, ops.zeros_like(z))
    tau = (ops.sum(chosen, axis=-1, keepdims=True) - 1) / size
    return ops.maximum(z - tau, 0.0)
