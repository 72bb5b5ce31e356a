"""From where to where a padded sequence is real."""

from keras import ops


def span(mask):
    """The first key that any query may see, and how many keys there are up to the last such key.

    So a sequence has the same length however much padding stands before and behind it; a key
    between the two that nobody may see is a place like any other.

    Args:
        mask: Bool `(batch, ..., Tq, Tk)`, True = may be seen.

    Returns:
        The first key's index and the length S, both int32 `(batch, ...)`; S is 0 where nothing
        may be seen.

    Example:
    >>> mask = np.array([[[False, True, False, True, True, False]]])
    >>> start, length = keras_attention.mask.span(mask)
    >>> start.numpy(), length.numpy()
    (array([1], dtype=int32), array([4], dtype=int32))
    """
    seen = ops.any(mask, axis=-2)
    keys = ops.shape(seen)[-1]
    places = ops.arange(keys, dtype="int32")
    start = ops.min(ops.where(seen, places, keys), axis=-1)
    end = ops.max(ops.where(seen, places + 1, 0), axis=-1)
    return start, ops.maximum(end - start, 0)
