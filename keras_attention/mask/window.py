"""Sliding-window mask: the keys near each query's own position."""

from keras import ops

from keras_attention import arguments
from keras_attention.types import Tensor


def window(queries: int | Tensor, keys: int | Tensor, width: int | Tensor) -> Tensor:
    """Return the mask in which only keys within `width` of a query's position are visible.

    Key j is visible to query i if `|j - (i + keys - queries)| <= width`. Positions are aligned
    to the lower right as in `causal`. Combined with `causal`, this gives a window of past keys.

    Args:
        queries: Number of queries Tq, an int or a scalar tensor.
        keys: Number of keys Tk, an int or a scalar tensor.
        width: Number of keys that are visible on either side, an int of at least 0.

    Returns:
        Bool `(Tq, Tk)`.

    Raises:
        ValueError: If a number is negative or not an integer.

    Example:
    >>> keras_attention.mask.window(3, 3, width=1).numpy().astype(int)
    array([[1, 1, 0],
           [1, 1, 1],
           [0, 1, 1]])
    """
    queries, keys = arguments.size("queries", queries), arguments.size("keys", keys)
    width = arguments.size("width", width)
    position = ops.arange(queries, dtype="int32") + (keys - queries)
    return ops.abs(ops.arange(keys, dtype="int32")[None, :] - position[:, None]) <= width
