"""Additive scores for XLA: one fused loop over all pairs, with a few units unrolled at a time.

With A = e^(2 query) and B = e^(2 key), computed once, tanh(query + key) = 1 - 2 r for the
reciprocal r = 1 / (1 + A B): a pair costs a multiply, an add and a division instead of a tanh.
XLA vectorizes the loop over the pairs, in which the units are unrolled, so that the only
intermediate has the size of the result. Without a compiler this is slow.

Domain: projections within +-43, where A, B and A B neither overflow nor become 0.
"""

import keras
from keras import ops

from keras_attention.kernels import tuning
from keras_attention.kernels.scan import scan

# e^86 and its reciprocal are finite in float32.
MAX_ABSOLUTE_PROJECTION = 43.0

# 1 + A B is clipped here: the product of two of them is finite in float32, and a reciprocal of
# 1e-18 does not change a tanh.
MAX_DENOMINATOR = 1e18


def is_in_range(query, key):
    """Return whether all projections are in the domain of this module, a bool scalar tensor."""
    # Not a maximum of absolute values, which XLA would store first.
    maximum = ops.maximum(ops.max(query), ops.max(key))
    minimum = ops.minimum(ops.min(query), ops.min(key))
    return ops.maximum(maximum, -minimum) <= MAX_ABSOLUTE_PROJECTION


def scores(query, key, scale):
    """Compute `scores[i, j] = sum_u scale_u tanh(query_iu + key_ju)`.

    Out of the domain, the result is finite but wrong.

    Args:
        query: `(batch, Tq, units)`.
        key: `(batch, Tk, units)`.
        scale: `(units,)`.

    Returns:
        `(batch, Tq, Tk)`.
    """
    terms = tuning.ADDITIVE_TERMS_PER_ITERATION
    inputs = (
        _group_columns(exponentiate(query)),
        _group_rows(ops.swapaxes(exponentiate(key), -1, -2)),
        ops.reshape(_pad(-2 * scale, 0), (-1, terms)),
    )
    maximum = ops.cast(MAX_DENOMINATOR, query.dtype)

    def step(total, inputs):
        a, b, weights = inputs
        x = [ops.minimum(1 + a[:, :, u, None] * b[:, None, u], maximum) for u in range(terms)]
        for u in range(0, terms, 2):  # adding two fractions first saves a division
            top = weights[u] * x[u + 1] + weights[u + 1] * x[u]
            total = total + top / (x[u] * x[u + 1])
        return total, ()

    pairs = (*ops.shape(query)[:2], ops.shape(key)[1])
    # The loop's result is returned unchanged, so that the loop that may replace it needs no copy.
    return scan(step, ops.broadcast_to(ops.sum(scale), pairs), inputs, ())[0]


def gradients(query, key, scale, upstream):
    """Compute the gradients of `sum_ij upstream[i, j] scores[i, j]` for query, key and scale.

    The derivative of tanh is 4 r (1 - r). The sum over keys and the sum over queries each recompute
    the reciprocals.
    """
    a, b = exponentiate(query), exponentiate(key)
    reciprocals, grad_query = _sum_over_keys(a, b, upstream)
    grad_key = _sum_over_queries(a, b, upstream)
    grad_scale = ops.sum(upstream) - 2 * ops.sum(reciprocals, axis=(0, 1))
    return 4 * scale * grad_query, 4 * scale * grad_key, grad_scale


def exponentiate(x):
    """Return e^(2 x), with x clipped to the domain."""
    # `ops.clip` is avoided: in JAX's programs it is a separate function, which JAX calls with wrong
    # arguments in the second derivative of a loop.
    x = ops.minimum(x, MAX_ABSOLUTE_PROJECTION)
    return ops.exp(2 * ops.maximum(x, -MAX_ABSOLUTE_PROJECTION))


def _sum_over_keys(a, b, factors):
    """Return `sum_j factors[i, j] r` and `sum_j factors[i, j] r (1 - r)`, `(batch, Tq, units)`.

    They are the real and imaginary part of one complex sum, so that XLA computes r once for both.
    """
    terms = tuning.ADDITIVE_TERMS_PER_ITERATION

    def step(total, inputs):
        rows, columns = inputs
        real = imaginary = 0.0
        for j in range(terms):
            r = 1 / (1 + a * rows[:, None, j])
            real = real + columns[:, :, j, None] * r
            imaginary = imaginary + columns[:, :, j, None] * (r - r * r)
        return total + _complex(real, imaginary), ()

    start = _complex(ops.zeros_like(a), ops.zeros_like(a))
    total, _ = scan(step, start, (_group_rows(b), _group_columns(factors)), ())
    return ops.real(total), ops.imag(total)


def _sum_over_queries(a, b, factors):
    """Return `sum_i factors[i, j] r (1 - r)`, `(batch, Tk, units)`."""
    terms = tuning.ADDITIVE_TERMS_PER_ITERATION

    def step(total, inputs):
        rows, weights = inputs
        for i in range(terms):
            r = 1 / (1 + b * rows[:, None, i])
            total = total + weights[:, i, :, None] * (r - r * r)
        return total, ()

    return scan(step, ops.zeros_like(b), (_group_rows(a), _group_rows(factors)), ())[0]


def _complex(real, imaginary):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.complex(real, imaginary)
    if keras.backend.backend() == "jax":
        from jax import lax

        return lax.complex(real, imaginary)
    return ops.view_as_complex(ops.stack([real, imaginary], axis=-1))


def _group_rows(x):
    """Group rows: `(batch, T, n)` -> `(T / terms, batch, terms, n)`."""
    x, terms = _pad(x, 1), tuning.ADDITIVE_TERMS_PER_ITERATION
    batch, rows, width = ops.shape(x)
    return ops.transpose(ops.reshape(x, (batch, rows // terms, terms, width)), (1, 0, 2, 3))


def _group_columns(x):
    """Group columns: `(batch, T, n)` -> `(n / terms, batch, T, terms)`."""
    x, terms = _pad(x, 2), tuning.ADDITIVE_TERMS_PER_ITERATION
    batch, rows, width = ops.shape(x)
    return ops.transpose(ops.reshape(x, (batch, rows, width // terms, terms)), (2, 0, 1, 3))


def _pad(x, axis):
    """Pad an axis with zeros, whose terms are 0, to a multiple of the terms per iteration."""
    size, terms = ops.shape(x)[axis], tuning.ADDITIVE_TERMS_PER_ITERATION
    if isinstance(size, int):
        missing = max(-(-size // terms), 1) * terms - size  # no loop may have zero iterations
        if not missing:
            return x
    else:
        missing = ops.maximum(-(-size // terms), 1) * terms - size
    return ops.pad(x, [[0, missing if i == axis else 0] for i in range(len(x.shape))])
