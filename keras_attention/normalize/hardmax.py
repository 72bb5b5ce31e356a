"""One-hot weights at the highest score."""

import keras
from keras import ops

from keras_attention.normalize.masked import masked
from keras_attention.top_k import top_k
from keras_attention.types import Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
@masked
def hardmax(scores: Tensor) -> Tensor:
    """Return one-hot weights at the highest visible score, without a gradient.

    If several scores are equal, the first one is chosen.

    Args:
        scores: `(batch, ..., Tq, Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = visible; None = everything is visible.

    Returns:
        Weights of the same shape, float32 (float64 is kept): one 1 in each row, or all zeros if
        the row is fully masked.

    Raises:
        ValueError: If the mask is not broadcastable to the scores.

    Example:
    >>> keras_attention.normalize.hardmax(np.array([[1.0, 3.0, 2.0]], "float32")).numpy()
    array([[0., 1., 0.]], dtype=float32)
    """
    _, best = top_k(scores, 1)
    return ops.cast(ops.arange(ops.shape(scores)[-1], dtype="int32") == best, scores.dtype)
