"""Positions that only fill a batch up: they see nothing and are not seen."""

from keras import ops

from keras_attention.mask.combine import combine


def padding(query_mask=None, key_mask=None):
    """The mask of pairs that two Keras masks stand for.

    Args:
        query_mask: Bool `(batch, ..., Tq)`, True = a real query; or None.
        key_mask: Bool `(batch, ..., Tk)`, True = a real key; or None.

    Returns:
        Bool, broadcastable to `(batch, ..., Tq, Tk)`: True = the query may see the key. None if
        both are None.

    Example:
    >>> keras_attention.mask.padding(key_mask=np.array([[True, True, False]])).shape
    TensorShape([1, 1, 3])
    """
    return combine(
        None if query_mask is None else ops.expand_dims(query_mask, -1),
        None if key_mask is None else ops.expand_dims(key_mask, -2),
    )
