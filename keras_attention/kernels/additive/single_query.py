"""Additive scores of one query at a time, for loops: what concerns the keys alone stands outside.

With A = e^(2 query) and B = e^(2 key), tanh(query + key) = 1 - 2 r for the reciprocal
r = 1 / (1 + A B). B is computed once per sequence, and each pair of a step costs a division. The
gradient computes r anew: what a loop keeps of each step does not grow with Tk * units.
"""

from keras import ops

from keras_attention.kernels.additive.scores import as_tensor, clip_projections


def exponentials(key):
    """B of projected keys `(batch, Tk, units)`: what `additive_step` takes."""
    return ops.stop_gradient(ops.exp(2 * clip_projections(key)))


def additive_step(query, key, exponentials, scale):
    """`scores[:, 0, j] = sum_u scale_u tanh(query_0u + key_ju)`.

    Args:
        query: Projected query `(batch, 1, units)`, float32 or float64.
        key: Projected keys `(batch, Tk, units)`: their gradient is computed, they are not read.
        exponentials: `exponentials(key)`.
        scale: `(units,)`.

    Returns:
        Scores `(batch, 1, Tk)`; as `additive_scores`, cut off where a projection is beyond +-43.

    Example:
    >>> from keras_attention.kernels.additive.single_query import additive_step, exponentials
    >>> query, key = np.ones((2, 1, 4), "float32"), np.ones((2, 7, 4), "float32")
    >>> additive_step(query, key, exponentials(key), np.ones(4, "float32")).shape
    TensorShape([2, 1, 7])
    """
    return _step(
        clip_projections(query), clip_projections(key), exponentials, as_tensor(scale, query)
    )


@ops.custom_gradient
def _step(query, key, exponentials, scale):
    def reciprocals():
        return 1 / (1 + ops.exp(2 * query) * exponentials)

    def gradient(*args, upstream=None):
        upstream = args[-1] if upstream is None else upstream  # (batch, 1, Tk)
        r = reciprocals()
        slopes = 4 * (r - r * r)
        of_query = ops.matmul(upstream, slopes) * scale
        of_key = ops.swapaxes(upstream, 1, 2) * slopes * scale
        of_scale = ops.sum(upstream) - 2 * ops.sum(ops.matmul(upstream, r), axis=(0, 1))
        return of_query, of_key, ops.zeros_like(exponentials), of_scale

    found = ops.sum(scale) - 2 * ops.matmul(reciprocals(), scale)
    return ops.expand_dims(found, 1), gradient
