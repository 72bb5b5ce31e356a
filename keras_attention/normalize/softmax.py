"""Softmax weights over the visible keys."""

import keras
from keras import ops

from keras_attention.normalize.masked import masked
from keras_attention.types import Tensor

MAX_RANK = 5  # TensorFlow's softmax on CPUs does not support more axes.


@keras.saving.register_keras_serializable(package="keras_attention")
@masked
def softmax(scores: Tensor) -> Tensor:
    """Compute `weights[j] = exp(scores[j]) / sum_k exp(scores[k])` over the visible keys.

    Args:
        scores: `(batch, ..., Tq, Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = visible; None = everything is visible.

    Returns:
        Weights of the same shape, float32 (float64 is kept): each row sums to 1, or is all zero if
        it is fully masked.

    Raises:
        ValueError: If the mask is not broadcastable to the scores.

    Example:
    >>> keras_attention.normalize.softmax(np.zeros((1, 1, 4), "float32")).numpy()
    array([[[0.25, 0.25, 0.25, 0.25]]], dtype=float32)
    """
    if scores.shape[-1] == 1:
        # `ops.softmax` would warn about an axis of size 1, which is legitimate here. Multiplying by
        # the scores gives them a gradient of zero instead of none.
        return 0.0 * scores + 1.0
    if len(scores.shape) > MAX_RANK:
        rows = ops.reshape(scores, (-1, ops.shape(scores)[-1]))
        return ops.reshape(ops.softmax(rows, axis=-1), ops.shape(scores))
    return ops.softmax(scores, axis=-1)
