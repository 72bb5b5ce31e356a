"""Softmax weights times a Gaussian of the distance from a center."""

from keras import ops

from keras_attention import arguments
from keras_attention.normalize.masked import softmax
from keras_attention.precision import at_least_float32
from keras_attention.tensors import check_broadcastable
from keras_attention.types import Tensor


def gaussian(
    scores: Tensor,
    mask: Tensor | None = None,
    *,
    distance: Tensor,
    deviation: float | Tensor,
    renormalize: bool = False,
) -> Tensor:
    """Compute `weights[j] = softmax(scores)[j] * exp(-distance[j]^2 / (2 deviation^2))`.

    Without `renormalize`, a row sums to less than 1 unless all its weight is at distance 0.
    `distance` gets a gradient, so that a predicted center can be trained.

    Args:
        scores: `(batch, ..., Tq, Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = visible; None = everything is visible.
        distance: Distance of each key from its query's center, broadcastable to the scores.
        deviation: Standard deviation sigma of the Gaussian, in the unit of the distance,
            broadcastable to the scores.
        renormalize: Whether to divide each row by its sum. The paper does not.

    Returns:
        Weights of the scores' shape, float32 (float64 is kept). Each row sums to at most 1 (to 1
        with `renormalize`), or is all zero if it is fully masked.

    Raises:
        ValueError: If the mask, distance or deviation is not broadcastable to the scores; if
            `deviation` is a number but not above 0; or if `renormalize` is not a bool.

    Example:
    >>> scores, distance = np.zeros((1, 2), "float32"), np.array([[0.0, 2.0]], "float32")
    >>> weights = keras_attention.normalize.gaussian(scores, distance=distance, deviation=1.0)
    >>> weights.numpy().round(3)
    array([[0.5  , 0.068]], dtype=float32)

    Reference:
        Luong, Pham, Manning (2015), equation 10, https://arxiv.org/abs/1508.04025.
    """
    if not hasattr(deviation, "dtype"):
        deviation = arguments.positive_number("deviation", deviation)
    renormalize = arguments.boolean("renormalize", renormalize)
    logarithm = -0.5 * ops.square(distance / deviation)
    check_broadcastable("distance / deviation", logarithm, "scores", scores.shape)
    if renormalize:
        # Adding the logarithm before the softmax avoids dividing by a sum that could be zero.
        return softmax(at_least_float32(scores) + logarithm, mask)
    return softmax(scores, mask) * ops.exp(logarithm)
