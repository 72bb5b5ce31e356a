"""Additive scores for a compiler: one fused loop over the pairs, some units at a time.

With A = e^(2 query) and B = e^(2 key), computed once, tanh(query + key) = 1 - 2 r for the
reciprocal r = 1 / (1 + A B): a pair costs a multiply, an add and a division in the place of a tanh.
The pairs are the elements of a loop that XLA vectorizes, the units are written out in it; so the
only intermediate is of the size of what comes out. Under no compiler this is slow.
"""

import keras
from keras import ops

from keras_attention.kernels.scan import scan

# How many terms of the sum are written out: fewer make XLA read the sum again more often, more
# take longer to compile, and neither is faster.
TERMS = 16
# Where 1 + A B is cut off: the product of two is finite, and 1e-18 is no part of a tanh.
HIGHEST = 1e18


def scores(query, key, scale):
    """`scores[i, j] = sum_u scale_u tanh(query_iu + key_ju)`.

    Args:
        query: `(batch, Tq, units)`, between -43 and 43: A B may be infinite or 0, never NaN.
        key: `(batch, Tk, units)`, likewise.
        scale: `(units,)`.

    Returns:
        `(batch, Tq, Tk)`.
    """
    inputs = (
        _columns(ops.exp(2 * query)),
        _rows(ops.swapaxes(ops.exp(2 * key), -1, -2)),
        ops.reshape(_padded(scale, 0), (-1, TERMS)),
    )

    def step(total, inputs):
        a, b, weights = inputs
        x = [
            ops.minimum(1 + a[:, :, u, None] * b[:, None, u], _number(HIGHEST, a))
            for u in range(TERMS)
        ]
        for u in range(0, TERMS, 2):  # two fractions added first need one division
            top = weights[u] * x[u + 1] + weights[u + 1] * x[u]
            total = total + top / (x[u] * x[u + 1])
        return total, ()

    pairs = (*ops.shape(query)[:2], ops.shape(key)[1])
    total, _ = scan(step, ops.zeros(pairs, query.dtype), inputs, ())
    return ops.sum(scale) - 2 * total


def gradients(query, key, scale, upstream):
    """Gradients of `sum_ij upstream[i, j] scores[i, j]`: of query, key and scale.

    d tanh = 4 r (1 - r). The sums over keys and over queries each compute the reciprocals anew.
    """
    a, b = ops.exp(2 * query), ops.exp(2 * key)
    reciprocals, of_query = _sums(a, b, upstream)
    of_key = _sum(a, b, upstream)
    of_scale = ops.sum(upstream) - 2 * ops.sum(reciprocals, axis=(0, 1))
    return 4 * scale * of_query, 4 * scale * of_key, of_scale


def _sums(a, b, factors):
    """`sum_j factors[i, j] r` and `sum_j factors[i, j] r (1 - r)`, both `(batch, Tq, units)`.

    They are the two parts of one complex sum: so XLA computes r once for both.
    """

    def step(total, inputs):
        rows, columns = inputs
        real = imaginary = 0.0
        for j in range(TERMS):
            r = 1 / (1 + a * rows[:, None, j])
            real = real + columns[:, :, j, None] * r
            imaginary = imaginary + columns[:, :, j, None] * (r - r * r)
        return total + _complex(real, imaginary), ()

    start = _complex(ops.zeros_like(a), ops.zeros_like(a))
    total, _ = scan(step, start, (_rows(b), _columns(factors)), ())
    return ops.real(total), ops.imag(total)


def _sum(a, b, factors):
    """`sum_i factors[i, j] r (1 - r)`, `(batch, Tk, units)`."""

    def step(total, inputs):
        rows, weights = inputs
        for i in range(TERMS):
            r = 1 / (1 + b * rows[:, None, i])
            total = total + weights[:, i, :, None] * (r - r * r)
        return total, ()

    return scan(step, ops.zeros_like(b), (_rows(a), _rows(factors)), ())[0]


def _complex(real, imaginary):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.complex(real, imaginary)
    if keras.backend.backend() == "jax":
        from jax import lax

        return lax.complex(real, imaginary)
    return ops.view_as_complex(ops.stack([real, imaginary], axis=-1))


def _rows(x):
    """`(batch, T, any)` in groups of rows: `(T / TERMS, batch, TERMS, any)`."""
    x = _padded(x, 1)
    batch, rows, width = ops.shape(x)
    return ops.transpose(ops.reshape(x, (batch, rows // TERMS, TERMS, width)), (1, 0, 2, 3))


def _columns(x):
    """`(batch, T, any)` in groups of columns: `(any / TERMS, batch, T, TERMS)`."""
    x = _padded(x, 2)
    batch, rows, width = ops.shape(x)
    return ops.transpose(ops.reshape(x, (batch, rows, width // TERMS, TERMS)), (2, 0, 1, 3))


def _padded(x, axis):
    """`x` with zeros up to a whole number of groups: what they multiply is 0."""
    size = ops.shape(x)[axis]
    if isinstance(size, int):
        missing = max(-(-size // TERMS), 1) * TERMS - size  # no loop may have no step at all
        if not missing:
            return x
    else:
        missing = ops.maximum(-(-size // TERMS), 1) * TERMS - size
    return ops.pad(x, [[0, missing if i == axis else 0] for i in range(len(x.shape))])


def _number(x, like):
    return ops.cast(x, like.dtype)
