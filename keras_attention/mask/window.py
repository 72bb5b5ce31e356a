"""Only keys near the query's own position may be seen."""

from keras import ops


def window(queries, keys, width):
    """Query i sees key j where `|j - (i + keys - queries)| <= width`.

    Positions are aligned to the lower right as in `causal`, with which it combines to a window
    that looks back only.

    Args:
        queries: Number of queries Tq, an int or a scalar tensor.
        keys: Number of keys Tk, likewise.
        width: How many keys may be seen on either side, an int of at least 0.

    Returns:
        Bool `(Tq, Tk)`.

    Raises:
        ValueError: If `width` is negative.

    Example:
    >>> keras_attention.mask.window(3, 3, width=1).numpy().astype(int)
    array([[1, 1, 0],
           [1, 1, 1],
           [0, 1, 1]])
    """
    if isinstance(width, int) and width < 0:
        raise ValueError(f"Expected `width` to be at least 0. Received: width={width}")
    position = ops.arange(queries, dtype="int32") + (keys - queries)
    return ops.abs(ops.arange(keys, dtype="int32")[None, :] - position[:, None]) <= width
