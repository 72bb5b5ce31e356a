"""Log-probabilities over a decoder's elements, and the lookup of the selected elements' vectors."""

from keras import ops

from keras_attention.arguments import MAX_INT32
from keras_attention.integers import to_int32
from keras_attention.mask import hide
from keras_attention.normalize import masked
from keras_attention.normalize.masked import MASKED_SCORE


@masked
def _log_softmax(scores):
    shifted = scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    return shifted - ops.log(ops.sum(ops.exp(shifted), axis=-1, keepdims=True))


def log_probabilities(scores, mask=None):
    """Compute the logarithm of `normalize.softmax`, exact even where the softmax rounds to 0.

    Args:
        scores: `(batch, ..., Tq, Tk)`.
        mask: Bool, broadcastable to the scores, True = visible; None = everything is visible.

    Returns:
        Tensor of the scores' shape, float32 (float64 is kept). Masked positions get the most
        negative float32 instead of minus infinity: its exponential is 0 too, and multiplied by 0
        it gives 0, not NaN.
    """
    logarithms = _log_softmax(scores, mask)
    if mask is None:
        return logarithms
    return ops.where(mask, logarithms, ops.full_like(logarithms, MASKED_SCORE))


def prepend_begin(begin, points, mask=None):
    """Build the table of a decoder's inputs: row 0 is the begin symbol, row j + 1 is element j.

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


def find_input_rows(indices, is_real, end_slot):
    """Return the rows of the input table (see `prepend_begin`) for the steps of a target.

    The input of a step is the element that the last real step before it points to; padded steps are
    skipped. The first real step gets row 0, the begin symbol.

    Args:
        indices: Int `(batch, T)`, the targets.
        is_real: Bool `(batch, T)`, False = a padded step.
        end_slot: Whether index 0 is the end, so that the elements are counted from 1.

    Returns:
        Int32 `(batch, T)`.
    """
    rows = to_int32(indices)
    if not end_slot:  # the sum must not overflow
        rows = ops.minimum(rows, MAX_INT32 - 1) + 1
    rows = ops.pad(ops.where(is_real, rows, 0), [[0, 0], [1, 0]])
    return ops.take_along_axis(rows, previous_real_step(is_real), axis=1)


def previous_real_step(is_real):
    """Find the last real step before each step, counted from 1; 0 if there is none.

    Args:
        is_real: Bool `(batch, T)`, False = a padded step.

    Returns:
        Int32 `(batch, T)`.
    """
    count = ops.arange(1, ops.shape(is_real)[1] + 1, dtype="int32")
    is_before = ops.logical_and(count < count[:, None], is_real[:, None])
    return ops.max(ops.where(is_before, count, 0), axis=-1)


def gather_rows(table, rows):
    """Gather `(batch, T, D)` from a table `(batch, n, D)` at `rows`, int32 `(batch, T)`."""
    return ops.take_along_axis(table, ops.expand_dims(rows, -1), axis=1)
