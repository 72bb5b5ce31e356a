"""The masking rule that every normalizer shares."""

import functools
from collections.abc import Callable

from keras import ops

from keras_attention.mask.broadcastable import check_broadcastable
from keras_attention.precision import at_least_float32, clip
from keras_attention.types import Normalizer, Tensor

# The most negative float32, which replaces masked scores, in float64 as well.
MASKED_SCORE = -3.4028235e38
# Visible scores are clipped to this magnitude, so that every one stays far above MASKED_SCORE.
MAX_ABSOLUTE_SCORE = 1e38
# The largest score of a row is below this if no key is visible, and above it otherwise, even after
# a bias of MAX_ABSOLUTE_SCORE is added.
MIN_VISIBLE_SCORE = -2.5e38


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
        scores, or None. A mask of another shape is a ValueError.

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
        scores = clip(at_least_float32(scores), MAX_ABSOLUTE_SCORE)
        if mask is None:
            return distribution(scores)
        check_broadcastable("mask", mask, "scores", scores.shape)
        weights = distribution(ops.where(mask, scores, ops.full_like(scores, MASKED_SCORE)))
        return ops.where(mask, weights, ops.zeros_like(weights))

    return normalizer
