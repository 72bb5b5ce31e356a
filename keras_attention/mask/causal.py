"""Causal mask, aligned to the lower right."""

from keras import ops

from keras_attention import arguments
from keras_attention.types import Tensor


def causal(queries: int | Tensor, keys: int | Tensor) -> Tensor:
    """Return the mask in which key j is visible to query i if `j <= i + (keys - queries)`.

    Aligned to the lower right: all keys are visible to the last query, as needed when the keys of
    earlier positions come from a cache. `keras.layers.Attention` aligns to the upper left; for
    `queries == keys` the two are equal.

    Args:
        queries: Number of queries Tq, an int or a scalar tensor.
        keys: Number of keys Tk, an int or a scalar tensor. If there are more queries than keys,
            the first `queries - keys` queries are fully masked.

    Returns:
        Bool `(Tq, Tk)`.

    Raises:
        ValueError: If a number is negative or not an integer.

    Example:
    >>> keras_attention.mask.causal(2, 3).numpy().astype(int)
    array([[1, 1, 0],
           [1, 1, 1]])
    """
    queries, keys = arguments.size("queries", queries), arguments.size("keys", keys)
    last_visible = ops.arange(queries, dtype="int32") + (keys - queries)
    return ops.arange(keys, dtype="int32")[None, :] <= last_visible[:, None]
