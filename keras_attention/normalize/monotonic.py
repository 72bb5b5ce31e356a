"""Monotonic attention: the attended key never moves back (Raffel et al. 2017)."""

from keras import ops

from keras_attention.normalize.masked import MAX_ABSOLUTE_SCORE
from keras_attention.normalize.recurrence import linear_recurrence, shift
from keras_attention.precision import at_least_float32, to_score_precision
from keras_attention.tensors import check_broadcastable
from keras_attention.types import Tensor


def monotonic(
    scores: Tensor, mask: Tensor | None = None, *, previous: Tensor, noise: Tensor | None = None
) -> Tensor:
    """Compute the probability that each key is the first one chosen from the previous key on.

    From the key that the previous query attended to, the keys are inspected in order. Key j is
    chosen with probability `p[j] = sigmoid(scores[j])`; otherwise the next one is inspected. These
    are the expected weights, for training.

        q[j]       = (1 - p[j - 1]) q[j - 1] + previous[j]           (equation 13)
        weights[j] = p[j] q[j]                                       (equation 14)

    Args:
        scores: `(batch, ..., Tk)`, any float dtype. A Tk that is known only at run time may be at
            most 65,536.
        mask: Bool, broadcastable to the scores, True = visible; None = everything is visible. A
            masked key is never chosen.
        previous: Weights of the previous query, broadcastable to the scores. Before the first
            query, all weight is at the first key.
        noise: Added to the scores, broadcastable to them, or None. Noise in training makes scores
            large, so that the probabilities become nearly 0 or 1.

    Returns:
        Weights of the scores' shape, float32 (float64 is kept). A row sums to at most 1: the rest
        is the probability that no key is chosen.

    Raises:
        ValueError: If a tensor is not broadcastable to the scores.

    Example:
    >>> scores, previous = np.float32([[0.0, 0.0, 100.0]]), np.float32([[1.0, 0.0, 0.0]])
    >>> keras_attention.normalize.monotonic(scores, previous=previous).numpy()
    array([[0.5 , 0.25, 0.25]], dtype=float32)

    Reference:
        Online and Linear-Time Attention by Enforcing Monotonic Alignments, Raffel, Luong, Liu,
        Weiss, Eck (2017), section 2.3, https://arxiv.org/abs/1704.00784.
    """
    scores, mask, previous = _prepare(scores, mask, previous)
    if noise is not None:
        check_broadcastable("noise", noise, "scores", scores.shape)
        scores = scores + ops.cast(noise, scores.dtype)
    chosen, passed = ops.sigmoid(scores), ops.sigmoid(-scores)
    if mask is not None:
        chosen = ops.where(mask, chosen, ops.zeros_like(chosen))
        passed = ops.where(mask, passed, ops.ones_like(passed))
    return chosen * linear_recurrence(shift(passed, 1, fill=0.0), previous)


def monotonic_hard(scores: Tensor, mask: Tensor | None = None, *, previous: Tensor) -> Tensor:
    """Choose the first key with a positive score, from the previous query's key on.

    For one query, this is the decision of which `monotonic` is the expectation. Over several
    queries the two differ where no key is chosen: the expectation loses that probability, while
    `MonotonicAttention` keeps the position of a hard choice. There is no gradient.

    Args:
        scores: `(batch, ..., Tk)`, any float dtype.
        mask: Bool, broadcastable to the scores, True = visible; None = everything is visible.
        previous: Weights of the previous query, broadcastable to the scores: keys before the first
            positive weight are not chosen.

    Returns:
        One-hot weights of the scores' shape, float32 (float64 is kept); zeros if no key is chosen.

    Raises:
        ValueError: If a tensor is not broadcastable to the scores.

    Example:
    >>> scores, previous = np.float32([[3.0, -1.0, 2.0, 5.0]]), np.float32([[0.0, 1.0, 0.0, 0.0]])
    >>> keras_attention.normalize.monotonic_hard(scores, previous=previous).numpy()
    array([[0., 0., 1., 0.]], dtype=float32)

    Differs from TensorFlow Addons: if no key was chosen for a query, `MonotonicAttention` passes
    the last chosen key on, where Addons passes zeros, after which no key can ever be chosen.

    Reference:
        Raffel et al. (2017), algorithm 1, https://arxiv.org/abs/1704.00784.
    """
    scores, mask, previous = _prepare(scores, mask, previous)
    is_reached = ops.cumsum(ops.cast(previous > 0, "int32"), axis=-1) > 0
    candidates = ops.logical_and(is_reached, scores > 0)
    if mask is not None:
        candidates = ops.logical_and(candidates, mask)
    count = ops.cumsum(ops.cast(candidates, "int32"), axis=-1)
    return ops.cast(ops.logical_and(candidates, ops.equal(count, 1)), scores.dtype)


def _prepare(scores, mask, previous):
    """Return the arguments as tensors of the scores' precision, the last one of their shape."""
    scores = to_score_precision(ops.convert_to_tensor(scores), MAX_ABSOLUTE_SCORE)
    if mask is not None:
        check_broadcastable("mask", mask, "scores", scores.shape)
    check_broadcastable("previous", previous, "scores", scores.shape)
    previous = ops.cast(at_least_float32(ops.convert_to_tensor(previous)), scores.dtype)
    # Not `ops.broadcast_to`, which has no gradient in an XLA loop of unknown sizes.
    return scores, mask, previous + ops.zeros_like(scores)
