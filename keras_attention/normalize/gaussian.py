"""Weights by exponentials that fade with the distance from a centre."""

from keras import ops

from keras_attention.normalize.softmax import softmax
from keras_attention.precision import at_least_float32


def gaussian(scores, mask=None, *, distance, deviation, renormalize=False):
    """`weights[j] = softmax(scores)[j] * exp(-distance[j]^2 / (2 deviation^2))`.

    A row sums to 1 only where all weight stands at distance 0. The distance has a gradient, so
    that whoever predicts the centre learns from it.

    Args:
        scores: `(batch, ..., Tq, Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = may be seen; None = all.
        distance: How far each key is from its query's centre, broadcastable to the scores.
        deviation: The standard deviation sigma of the Gaussian, in the distance's unit.
        renormalize: Whether each row is divided by its sum. The paper does not.

    Returns:
        Weights of the scores' shape, float32 (float64 stays): each row sums to at most 1 (to 1
        with `renormalize`), or is all zero where nothing may be seen.

    Example:
    >>> scores, distance = np.zeros((1, 2), "float32"), np.array([[0.0, 2.0]], "float32")
    >>> weights = keras_attention.normalize.gaussian(scores, distance=distance, deviation=1.0)
    >>> weights.numpy().round(3)
    array([[0.5  , 0.068]], dtype=float32)

    Reference:
        Luong, Pham, Manning (2015), equation 10, https://arxiv.org/abs/1508.04025.
    """
    logarithm = -0.5 * ops.square(distance / deviation)
    if renormalize:  # exp(score) exp(logarithm), summed to 1 without a sum that could be zero
        return softmax(at_least_float32(scores) + logarithm, mask)
    return softmax(scores, mask) * ops.exp(logarithm)
