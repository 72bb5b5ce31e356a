"""Additive scores without the `(batch, Tq, Tk, units)` tensor, with a gradient that recomputes."""

from keras import ops

from keras_attention.kernels.additive import formula, matmul, xla
from keras_attention.kernels.xla_context import is_compiled

# Projections are clipped here: e^86 and its reciprocal are finite in float32.
MAX_ABSOLUTE_PROJECTION = 43.0


def additive_scores(query, key, scale, is_large=None):
    """Compute `scores[..., i, j] = sum_u scale_u tanh(query_iu + key_ju)`.

    Equal to the plain form within 1e-5 of the scores' size for projections up to +-40. Projections
    are clipped to +-43, where a tanh is +-1 to the last digit. The exception is a query and a key
    that are both so large and of opposite signs: in the plain form, rounding spoils their sum too.

    Args:
        query: Projected queries `(batch, ..., Tq, units)`, float32 or float64.
        key: Projected keys `(batch, ..., Tk, units)`.
        scale: `(units,)`.
        is_large: Bool scalar tensor, False = use the plain formula; None = never use it.

    Returns:
        Scores `(batch, ..., Tq, Tk)`.

    Example:
    >>> from keras_attention.kernels.additive.scores import additive_scores
    >>> query, key = np.ones((2, 5, 4), "float32"), np.ones((2, 7, 4), "float32")
    >>> additive_scores(query, key, np.ones(4, "float32")).shape
    TensorShape([2, 5, 7])
    """
    query, key = (ops.convert_to_tensor(x) for x in (query, key))
    if tuple(query.shape[:-2]) != tuple(key.shape[:-2]):
        # One sequence of keys serves all sequences of queries, or the reverse: broadcast it.
        batch = ops.shape(query[..., 0, 0] + key[..., 0, 0])
        query, key = (ops.broadcast_to(x, (*batch, *ops.shape(x)[-2:])) for x in (query, key))
    outer = ops.shape(query)[:-2]
    scores = _differentiable_scores(is_large)(
        clip_projections(query), clip_projections(key), as_tensor(scale, query)
    )
    return ops.reshape(scores, (*outer, *ops.shape(scores)[1:])) if len(outer) > 1 else scores


def merge_batch_axes(x):
    """Reshape `(batch, ..., T, D)` to `(batch, T, D)`."""
    return x if len(x.shape) == 3 else ops.reshape(x, (-1, *ops.shape(x)[-2:]))


def clip_projections(x):
    """Clip projections `(batch, ..., T, units)` to +-43 and reshape them to `(batch, T, units)`."""
    return ops.clip(merge_batch_axes(x), -MAX_ABSOLUTE_PROJECTION, MAX_ABSOLUTE_PROJECTION)


def as_tensor(scale, query):
    """Return `scale` as a tensor in the projections' dtype.

    Given a variable, `tf.custom_gradient` would require its gradient separately from those of the
    arguments.
    """
    return ops.cast(ops.reshape(scale, (-1,)), query.dtype)


def select_implementation():
    """Return the module whose scores and gradients are fastest in the current trace."""
    return xla if is_compiled() else matmul


def _differentiable_scores(is_large):
    """Return the differentiable function of query, key and scale."""

    # `cond` is inside the custom gradient, because XLA cannot differentiate a `cond` over unknown
    # sizes.
    def run(step, *tensors):
        if is_large is None:
            return getattr(select_implementation(), step)(*tensors)
        return ops.cond(
            is_large,
            lambda: getattr(select_implementation(), step)(*tensors),
            lambda: getattr(formula, step)(*tensors),
        )

    @ops.custom_gradient
    def scores(query, key, scale):
        def gradient(*args, upstream=None):
            upstream = args[-1] if upstream is None else upstream
            return run("gradients", query, key, scale, upstream)

        return run("scores", query, key, scale), gradient

    return scores
