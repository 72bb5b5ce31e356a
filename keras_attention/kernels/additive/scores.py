"""Additive scores without a tensor of (batch, Tq, Tk, units)."""

from keras import ops

from keras_attention.kernels.additive import formula, matmul, xla
from keras_attention.kernels.xla_context import is_compiled

# Projections beyond are cut off: e^86 is finite in float32, and so is its reciprocal.
FARTHEST = 43.0


def additive_scores(query, key, scale, is_large=None):
    """`scores[..., i, j] = sum_u scale_u tanh(query_iu + key_ju)`, computed in small parts.

    Equal to the plain form within 1e-5 of the scores' size for projections up to +-40. Beyond +-43
    a projection counts as +-43: the tanh is 1 to the last digit unless the other projection is as
    large with the other sign, and there the plain form subtracts numbers without digits left.

    Args:
        query: Projected queries `(batch, ..., Tq, units)`, float32 or float64.
        key: Projected keys `(batch, ..., Tk, units)`.
        scale: `(units,)`.
        is_large: Bool scalar tensor, False = as the formula stands after all; None = in small
            parts.

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
        # One sequence for all, or for all that ask.
        batch = ops.shape(query[..., 0, 0] + key[..., 0, 0])
        query, key = (ops.broadcast_to(x, (*batch, *ops.shape(x)[-2:])) for x in (query, key))
    outer = ops.shape(query)[:-2]
    found = _scores(is_large)(
        clip_projections(query), clip_projections(key), as_tensor(scale, query)
    )
    return ops.reshape(found, (*outer, *ops.shape(found)[1:])) if len(outer) > 1 else found


def merge_batch_axes(x):
    """`(batch, ..., T, any)` as `(batch, T, any)`."""
    return x if len(x.shape) == 3 else ops.reshape(x, (-1, *ops.shape(x)[-2:]))


def clip_projections(x):
    """Projections `(batch, ..., T, units)`, cut off, as `(batch, T, units)`."""
    return ops.clip(merge_batch_axes(x), -FARTHEST, FARTHEST)


def as_tensor(scale, query):
    """A tensor in the projections' dtype.

    Of a variable `tf.custom_gradient` would have the gradient apart from the others'.
    """
    return ops.cast(ops.reshape(scale, (-1,)), query.dtype)


def select_implementation():
    """The module that computes scores and gradients best here and now."""
    return xla if is_compiled() else matmul


def _scores(is_large):
    """The differentiable function of query, key and scale."""

    # The choice stands inside: under XLA one of unknown sizes could not be differentiated.
    def either(step, *tensors):
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
            return either("gradients", query, key, scale, upstream)

        return either("scores", query, key, scale), gradient

    return scores
