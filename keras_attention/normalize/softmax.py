"""Weights by exponentials: every visible key counts, the best ones most."""

import keras
from keras import ops

from keras_attention.normalize.masked import masked


@keras.saving.register_keras_serializable(package="keras_attention")
@masked
def softmax(scores):
    """`weights[j] = exp(scores[j]) / sum_k exp(scores[k])` over the visible keys.

    Args:
        scores: `(batch, ..., Tq, Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = may be seen; None = all.

    Returns:
        Weights of the same shape, float32 (float64 stays): each row sums to 1, or is all zero
        where nothing may be seen.

    Example:
    >>> keras_attention.normalize.softmax(np.zeros((1, 1, 4), "float32")).numpy()
    array([[[0.25, 0.25, 0.25, 0.25]]], dtype=float32)
    """
    if scores.shape[-1] == 1:  # ops.softmax warns of a single key, which is nothing unusual here
        return ops.ones_like(scores)
    return ops.softmax(scores, axis=-1)
