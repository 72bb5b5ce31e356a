"""Pointing: log-probabilities over positions, and the vectors of the elements pointed to."""

from keras import ops

from keras_attention.mask import hide
from keras_attention.normalize import masked
from keras_attention.normalize.masked import MASKED_SCORE


@masked
def _log_softmax(scores):
    shifted = scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    return shifted - ops.log(ops.sum(ops.exp(shifted), axis=-1, keepdims=True))


def log_probabilities(scores, mask=None):
    """The logarithm of `normalize.softmax`, exact where that rounds to 0.

    Args:
        scores: `(batch, ..., Tq, Tk)`.
        mask: Bool, broadcastable to the scores, True = may be seen; None = all.

    Returns:
        Float32 at least, of the scores' shape. What may not be seen has the lowest float32: e to
        its power is 0, and 0 times it is 0, where 0 times minus infinity would be NaN.
    """
    found = _log_softmax(scores, mask)
    return found if mask is None else ops.where(mask, found, ops.full_like(found, MASKED_SCORE))


def with_begin(begin, points, mask=None):
    """A table of what a decoder is fed: row 0 is the begin symbol, row j + 1 the element j.

    Args:
        begin: `(D,)`, or None for zeros.
        points: `(batch, Tin, D)`.
        mask: Bool `(batch, Tin)`, True = a real element; or None.

    Returns:
        `(batch, 1 + Tin, D)` in the dtype of the points.
    """
    first = ops.zeros((ops.shape(points)[0], 1, points.shape[-1]), points.dtype)
    if begin is not None:
        first = ops.add(first, ops.cast(begin, points.dtype))
    return ops.concatenate([first, hide(points, mask)], axis=1)


def last_before(real):
    """How many steps there are up to the last real one before each step; 0 if there is none.

    Args:
        real: Bool `(batch, T)`.

    Returns:
        Int32 `(batch, T)`.
    """
    count = ops.arange(1, ops.shape(real)[1] + 1, dtype="int32")
    is_before = ops.logical_and(count < count[:, None], real[:, None])
    return ops.max(ops.where(is_before, count, 0), axis=-1)


def rows_of(table, rows):
    """The vectors `(batch, T, D)` that stand in the `rows`, int32 `(batch, T)`, of a table."""
    return ops.take_along_axis(table, ops.expand_dims(rows, -1), axis=1)
