"""Linear attention: the scores themselves are the weights."""

import keras

from keras_attention.normalize.masked import masked
from keras_attention.types import Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
@masked
def linear(scores: Tensor) -> Tensor:
    """Return the scores as the weights of the visible keys, and 0 for the masked ones.

    Unlike those of the other normalizers, the weights may be negative, and a row need not sum to 1.
    A memory network without its softmax is linear in every embedding, and is trained first: the
    softmax is put back once the validation loss stops falling ("linear start").

    Args:
        scores: `(batch, ..., Tq, Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = visible; None = everything is visible.

    Returns:
        Weights of the same shape, float32 (float64 is kept), clipped to +-1e38.

    Raises:
        ValueError: If the mask is not broadcastable to the scores.

    Example:
    >>> scores, mask = np.array([[0.5, -2.0, 9.0]], "float32"), np.array([[True, True, False]])
    >>> keras_attention.normalize.linear(scores, mask).numpy()
    array([[ 0.5, -2. ,  0. ]], dtype=float32)

    Reference:
        End-To-End Memory Networks, Sukhbaatar et al. (2015), section 4.2,
        https://arxiv.org/abs/1503.08895.
    """
    return scores
