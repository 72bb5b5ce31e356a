"""All weight on the best key."""

import keras
from keras import ops

from keras_attention.normalize.masked import masked


@keras.saving.register_keras_serializable(package="keras_attention")
@masked
def hardmax(scores):
    """One-hot weights at the highest visible score (the first of equals); no gradient.

    Args:
        scores: `(batch, ..., Tq, Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = may be seen; None = all.

    Returns:
        Weights of the same shape, float32 (float64 stays): one 1 in each row, or all zero where
        nothing may be seen.

    Example:
    >>> keras_attention.normalize.hardmax(np.array([[1.0, 3.0, 2.0]], "float32")).numpy()
    array([[0., 1., 0.]], dtype=float32)
    """
    # top_k, because argmax on TensorFlow leaves a Bitcast that other runtimes refuse.
    _, best = ops.top_k(scores, 1)
    return ops.cast(ops.arange(ops.shape(scores)[-1], dtype="int32") == best, scores.dtype)
