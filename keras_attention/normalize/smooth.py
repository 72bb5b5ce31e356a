"""Smooth attention: a normalized sigmoid instead of a normalized exponential."""

import keras
from keras import ops

from keras_attention.normalize.masked import masked, softmax
from keras_attention.types import Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
@masked
def smooth(scores: Tensor) -> Tensor:
    """Compute `weights[j] = sigmoid(scores[j]) / sum_k sigmoid(scores[k])` over the visible keys.

    All keys of a high score get about the same weight, so that the context combines several of
    them.

    Args:
        scores: `(batch, ..., Tq, Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = visible; None = everything is visible.

    Returns:
        Weights of the same shape, float32 (float64 is kept): each row sums to 1, or is all zero if
        it is fully masked.

    Raises:
        ValueError: If the mask is not broadcastable to the scores.

    Example:
    >>> scores = np.log(np.float32([[[3.0, 1.0]]]))
    >>> keras_attention.normalize.smooth(scores).numpy().round(3)
    array([[[0.6, 0.4]]], dtype=float32)

    Reference:
        Chorowski et al. (2015), equation 11, https://arxiv.org/abs/1506.07503.
    """
    # The sigmoids of very negative scores are all 0, their logarithms are not.
    return softmax(ops.log_sigmoid(scores))
