"""Padding mask: the pairs of a real query and a real key."""

from keras import ops

from keras_attention.mask.combine import combine
from keras_attention.types import Tensor


def padding(query_mask: Tensor | None = None, key_mask: Tensor | None = None) -> Tensor | None:
    """Return the mask of query-key pairs for a Keras mask of queries and one of keys.

    Args:
        query_mask: Bool `(batch, ..., Tq)`, True = a real query; or None.
        key_mask: Bool `(batch, ..., Tk)`, True = a real key; or None.

    Returns:
        Bool, broadcastable to `(batch, ..., Tq, Tk)`: True = the key is visible to the query. None
        if both masks are None.

    Raises:
        ValueError: If the axes before the last do not fit.

    Example:
    >>> keras_attention.mask.padding(key_mask=np.array([[True, True, False]])).shape
    TensorShape([1, 1, 3])
    """
    return combine(
        None if query_mask is None else ops.expand_dims(query_mask, -1),
        None if key_mask is None else ops.expand_dims(key_mask, -2),
    )
