"""No key may be seen before its time."""

from keras import ops


def causal(queries, keys):
    """Query i sees key j where `j <= i + (keys - queries)`.

    Aligned to the lower right: the last query sees all keys, as it must when earlier ones were
    computed before and cached. `keras.layers.Attention` aligns to the upper left; for
    `queries == keys` the two are equal.

    Args:
        queries: Number of queries Tq, an int or a scalar tensor.
        keys: Number of keys Tk, likewise. Where there are more queries than keys, the first
            `queries - keys` see nothing.

    Returns:
        Bool `(Tq, Tk)`.

    Example:
    >>> keras_attention.mask.causal(2, 3).numpy().astype(int)
    array([[1, 1, 0],
           [1, 1, 1]])
    """
    last_seen = ops.arange(queries, dtype="int32") + (keys - queries)
    return ops.arange(keys, dtype="int32")[None, :] <= last_seen[:, None]
