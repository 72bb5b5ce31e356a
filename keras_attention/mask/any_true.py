"""Find out whether a mask has any True entry: anywhere, or within a range of steps."""

from keras import ops


def has_any(mask):
    """Return whether any entry of `mask` is True, with an axis of size 1; None stays None."""
    return None if mask is None else ops.any(mask, axis=-1, keepdims=True)


def has_any_within(mask, first, last, count):
    """Return whether any entry of `mask` from index `first` to index `last`, inclusive, is True.

    Args:
        mask: Bool `(batch, count)`; None = all True.
        first: Int `(n,)`, clipped to the mask's indices; None = from the first entry of the mask.
        last: Int `(n,)`, clipped likewise; None = to the last entry of the mask.
        count: Length of the mask, an int or a scalar tensor.
    """
    first = ops.clip(ops.zeros_like(last) if first is None else first, 0, count)
    end = ops.clip(ops.full_like(first, count) if last is None else last + 1, 0, count)
    if mask is None:
        return ops.expand_dims(end > first, 0)
    # `true_before` holds the number of True entries before each index. The difference of two such
    # numbers is the number of True entries between their indices.
    paddings = [*[(0, 0)] * (len(mask.shape) - 1), (1, 0)]
    true_before = ops.pad(ops.cumsum(ops.cast(mask, "int32"), axis=-1), paddings)
    return ops.greater(ops.take(true_before, end, axis=-1), ops.take(true_before, first, axis=-1))
