"""Make a layer's output show which weights dropout has kept.

If the last columns of the values are the identity, the last columns of a context are the weights
that multiplied the values. Which of them are zero is observed; the equations then get the others,
divided by 1 - rate, so that every number and every derivative is still checked.
"""

import numpy as np

RATE = 0.4
MIN_WEIGHT = 1e-4  # a smaller weight may be rounded to zero in half precision
MIN_COUNT = 60  # of 60 weights some are kept and some dropped, but for one case in 10^13


def append_identity(values):
    """Return `(batch, T, D + T)`: the values, and the number of each position, one-hot."""
    batch, length, _ = values.shape
    eye = np.broadcast_to(np.eye(length), (batch, length, length))
    return np.concatenate([values, eye], axis=-1)


def observe_keep(keys, heads):
    """Return a function of outputs and expected outputs that returns the factors 0 and 1.

    Args:
        keys: Number of keys: the last columns of the output, for each head.
        heads: Number of heads, whose columns follow one another.
    """

    def observe(outputs, expected):
        columns, full = (
            x["output"][..., x["output"].shape[-1] - heads * keys :] for x in (outputs, expected)
        )
        shape = (*columns.shape[:-1], heads, keys)
        columns, full = columns.reshape(shape), full.reshape(shape)
        if columns.ndim == 3:  # a single query
            columns, full = columns[:, None], full[:, None]
        columns, full = np.swapaxes(columns, 1, 2), np.swapaxes(full, 1, 2)
        keep = (columns != 0) | (full == 0)
        counted = keep[np.abs(full) >= MIN_WEIGHT]
        if counted.size >= MIN_COUNT:
            assert counted.any(), "dropout has dropped all weights"
            assert not counted.all(), "dropout has kept all weights"
        return keep.astype("float64")

    return observe
