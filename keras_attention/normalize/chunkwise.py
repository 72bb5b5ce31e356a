"""Softmax over a chunk of keys that ends at a chosen key (Chiu, Raffel 2018)."""

from keras import ops

from keras_attention import arguments
from keras_attention.normalize.masked import MASKED_SCORE, MAX_ABSOLUTE_SCORE
from keras_attention.normalize.recurrence import shift
from keras_attention.precision import at_least_float32, to_score_precision
from keras_attention.tensors import check_broadcastable
from keras_attention.types import Tensor


def chunkwise(scores: Tensor, mask: Tensor | None = None, *, ends: Tensor, width: int) -> Tensor:
    """Compute the expected softmax over the `width` keys up to and including a chosen key.

        weights[j] = sum_{k = j .. j + width - 1} ends[k] softmax(scores[k - width + 1 .. k])[j]

    Args:
        scores: `(batch, ..., Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = visible; None = everything is visible.
        ends: Probability that each key is the chosen one, broadcastable to the scores, such as
            `monotonic` and `monotonic_hard` return.
        width: Number of keys of a chunk, an int of at least 1. With 1 the weights are `ends`.

    Returns:
        Weights of the scores' shape, float32 (float64 is kept); a row has the sum of `ends` at the
        visible keys.

    Raises:
        ValueError: If a tensor is not broadcastable to the scores, or the width is not an integer
            of at least 1.

    Example:
    >>> scores, ends = np.zeros((1, 4), "float32"), np.float32([[0.0, 0.0, 1.0, 0.0]])
    >>> keras_attention.normalize.chunkwise(scores, ends=ends, width=2).numpy()
    array([[0. , 0.5, 0.5, 0. ]], dtype=float32)

    Reference:
        Monotonic Chunkwise Attention, Chiu, Raffel (2018), equations 16 to 19,
        https://arxiv.org/abs/1712.05382.
    """
    width = arguments.positive_integer("width", width)
    scores = to_score_precision(ops.convert_to_tensor(scores), MAX_ABSOLUTE_SCORE)
    check_broadcastable("ends", ends, "scores", scores.shape)
    ends = ops.cast(at_least_float32(ops.convert_to_tensor(ends)), scores.dtype)
    # Not `ops.broadcast_to`, which has no gradient in an XLA loop of unknown sizes.
    ends = ends + ops.zeros_like(scores)
    if mask is not None:
        check_broadcastable("mask", mask, "scores", scores.shape)
        scores = ops.where(mask, scores, ops.full_like(scores, MASKED_SCORE))
        ends = ops.where(mask, ends, ops.zeros_like(ends))
    # The logarithm of each chunk's sum. Sums of exponentials would underflow in chunks whose scores
    # are far below the largest one of the row.
    chunk = ops.stack([shift(scores, step, fill=MASKED_SCORE) for step in range(width)], axis=-1)
    total = ops.logsumexp(chunk, axis=-1)
    weights = ops.zeros_like(scores)
    for step in range(width):
        # No chunk ends behind the last key: `ends` is 0 there, and the large total avoids overflow.
        later_total = shift(total, -step, fill=-MASKED_SCORE)
        weights = weights + shift(ends, -step, fill=0.0) * ops.exp(scores - later_total)
    return weights if mask is None else ops.where(mask, weights, ops.zeros_like(weights))
