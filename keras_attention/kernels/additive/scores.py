"""Additive scores without the `(batch, Tq, Tk, units)` tensor, with a gradient that recomputes."""

from keras import ops

from keras_attention.kernels.additive import formula, matmul, tanh, xla
from keras_attention.kernels.additive.branch import run_fast_or_exact
from keras_attention.kernels.xla_context import is_compiled


def additive_scores(query, key, scale, is_large=None):
    """Compute `scores[..., i, j] = sum_u scale_u tanh(query_iu + key_ju)`.

    Equal to the plain form within 1e-5 of `sum(abs(scale))` for projections of any size: if any
    projection of the call exceeds the domain of the fast kernels (about 40), a tanh for each pair
    and unit is computed instead, also without the `(batch, Tq, Tk, units)` tensor.

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
        merge_batch_axes(query), merge_batch_axes(key), as_tensor(scale, query)
    )
    return ops.reshape(scores, (*outer, *ops.shape(scores)[1:])) if len(outer) > 1 else scores


def merge_batch_axes(x):
    """Reshape `(batch, ..., T, D)` to `(batch, T, D)`."""
    return x if len(x.shape) == 3 else ops.reshape(x, (-1, *ops.shape(x)[-2:]))


def as_tensor(scale, query):
    """Return `scale` as a tensor in the projections' dtype.

    Given a variable, `tf.custom_gradient` would require its gradient separately from those of the
    arguments.
    """
    return ops.cast(ops.reshape(scale, (-1,)), query.dtype)


def select_implementation():
    """Return the module whose scores and gradients are fastest in the current trace."""
    return xla if is_compiled() else matmul


def is_in_range(query, key):
    """Return whether the fast kernel computes these projections exactly, a bool scalar tensor."""
    return select_implementation().is_in_range(query, key)


def compute_scores(query, key, scale, is_in_range):
    """Compute the scores by the fastest implementation that is exact, without a gradient.

    Args:
        query, key, scale: As in `xla.scores`, but of any size.
        is_in_range: Result of the function `is_in_range` for these projections, or for all of the
            call's.
    """
    fast = select_implementation()
    return run_fast_or_exact(is_in_range, fast.scores, tanh.scores, (query, key, scale))


def compute_gradients(query, key, scale, upstream, is_in_range):
    """Compute the gradients of `xla.gradients` by the fastest implementation that is exact."""
    fast, inputs = select_implementation(), (query, key, scale, upstream)
    return run_fast_or_exact(is_in_range, fast.gradients, tanh.gradients, inputs)


def _differentiable_scores(is_large):
    """Return the differentiable function of query, key and scale."""

    # `cond` is inside the custom gradient, because XLA cannot differentiate a `cond` over unknown
    # sizes.
    def choose(kernel, plain):
        return kernel() if is_large is None else ops.cond(is_large, kernel, plain)

    @ops.custom_gradient
    def scores(query, key, scale):
        inputs = query, key, scale
        in_range = is_in_range(query, key)

        def gradient(*args, upstream=None):
            upstream = args[-1] if upstream is None else upstream
            return choose(
                lambda: compute_gradients(*inputs, upstream, in_range),
                lambda: formula.gradients(*inputs, upstream),
            )

        result = choose(lambda: compute_scores(*inputs, in_range), lambda: formula.scores(*inputs))
        return result, gradient

    return scores
