"""The masking rule that every normalizer shares, and the normalizer of most layers: softmax."""

import functools
from collections.abc import Callable

import keras
from keras import ops

from keras_attention.precision import to_score_precision
from keras_attention.tensors import check_broadcastable
from keras_attention.types import Normalizer, Tensor

# The most negative float32, which replaces masked scores, in float64 as well.
MASKED_SCORE = -3.4028235e38
# Visible scores are clipped to this magnitude, so that every one stays far above MASKED_SCORE.
MAX_ABSOLUTE_SCORE = 1e38
# The largest score of a row is below this if no key is visible, and above it otherwise, even after
# a bias of MAX_ABSOLUTE_SCORE is added.
MIN_VISIBLE_SCORE = -2.5e38
MAX_SOFTMAX_RANK = 5  # TensorFlow's softmax on CPUs does not support more axes.


def masked(distribution: Callable[[Tensor], Tensor]) -> Normalizer:
    """Turn `distribution(scores) -> weights` into a normalizer `(scores, mask=None) -> weights`.

    Scores are cast to float32 (float64 is kept) and clipped to finite values. A masked score is
    *replaced* by the most negative float32: adding a large negative number would overflow in
    float16, and minus infinity would give 0/0 in a fully masked row. Masked weights are set to zero
    afterwards. A fully masked row is therefore all zeros with zero gradient, and no result depends
    on masked scores.

    Args:
        distribution: Function of scores `(..., Tk)` that returns weights `(..., Tk)`.

    Returns:
        Function of `scores` `(..., Tq, Tk)` and `mask`, which is bool and broadcastable to the
        scores, or None. For a mask of any other shape it raises a ValueError.

    Raises:
        ValueError: If `distribution` is not callable.
    """
    if not callable(distribution):
        raise ValueError(
            "Expected `distribution` to be a function of scores. "
            f"Received: distribution={distribution!r}"
        )

    @functools.wraps(distribution)
    def normalizer(scores, mask=None):
        scores = to_score_precision(scores, MAX_ABSOLUTE_SCORE)
        if mask is None:
            return distribution(scores)
        check_broadcastable("mask", mask, "scores", scores.shape)
        weights = distribution(ops.where(mask, scores, ops.cast(MASKED_SCORE, scores.dtype)))
        return ops.where(mask, weights, ops.zeros((), weights.dtype))

    return normalizer


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
    if len(scores.shape) > MAX_SOFTMAX_RANK:
        rows = ops.reshape(scores, (-1, ops.shape(scores)[-1]))
        return ops.reshape(ops.softmax(rows, axis=-1), ops.shape(scores))
    return ops.softmax(scores, axis=-1)
