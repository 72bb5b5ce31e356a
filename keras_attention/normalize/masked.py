"""The one masking rule: every normalizer has it from here."""

import functools

from keras import ops

from keras_attention.precision import at_least_float32

# The most negative float32: what a masked score is replaced by, in float64 too.
LOWEST = -3.4028235e38
# How far a visible score may go: what is masked stays infinitely worse than any of them.
FARTHEST = 1e38


def masked(distribution):
    """Turns `distribution(scores) -> weights` into a normalizer `(scores, mask=None) -> weights`.

    Scores are taken to float32 (float64 stays) and held finite; a masked score is *replaced* by
    the lowest float32 (adding a large negative number overflows in float16, and minus infinity
    gives 0/0 in a row without visible keys); masked weights are set to zero afterwards. So a row
    without a visible key is all zeros, with gradient zero, and nothing depends on what masked
    scores were.

    Args:
        distribution: Function of scores `(..., Tk)` that gives weights `(..., Tk)`.

    Returns:
        Function of `scores` `(..., Tq, Tk)` and `mask`, bool and broadcastable to them or None.
    """

    @functools.wraps(distribution)
    def normalizer(scores, mask=None):
        scores = ops.clip(at_least_float32(scores), -FARTHEST, FARTHEST)
        if mask is None:
            return distribution(scores)
        weights = distribution(ops.where(mask, scores, ops.full_like(scores, LOWEST)))
        return ops.where(mask, weights, ops.zeros_like(weights))

    return normalizer
