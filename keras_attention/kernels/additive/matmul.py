"""Additive scores without a compiler: products of matrices, a few units at a time.

tanh(q + k) is a fraction whose parts are products: of e^(q + k) -+ e^-(q + k). The sum of several
units' fractions, brought to one denominator, is one as well: numerator and denominator are sums
over all choices of signs s of

    e^(s . q) e^(s . k),        in the numerator times s . scale.

So a product of two small matrices gives both, for all pairs at once, and the pairs cost one
division for several units. What is done to each pair outside of that product, and that is what
takes the time where nothing fuses, is little.
"""

import itertools

import numpy as np
from keras import ops

from keras_attention.kernels.scan import scan

# Of four units a matrix product still has few terms (16), and one pass over the pairs is a fourth.
TOGETHER = 4
# How far the exponents of one group may go together, of a query and a key.
WITHIN_REACH = 80.0


def scores(query, key, scale):
    """As `additive_by_units.scores`."""
    scale, largest = _normalized(scale)

    def run(together):
        groups = _groups(query, key, scale, together)

        def step(total, inputs):
            above, below, columns = _factors(*inputs)
            return total + ops.matmul(above, columns) / ops.matmul(below, columns), ()

        pairs = (*ops.shape(query)[:2], ops.shape(key)[1])
        return scan(step, ops.zeros(pairs, query.dtype), groups, ())[0]

    return largest * _in_range(query, key, run)


def gradients(query, key, scale, upstream):
    """As `additive_by_units.gradients`."""
    scale, largest = _normalized(scale)
    dtypes = [query.dtype] * 3

    def run(together):
        signs = _signs(together, query.dtype)
        groups = _groups(query, key, scale, together)

        def step(carry, inputs):
            above, below, columns = _factors(*inputs)
            bottom = ops.matmul(below, columns)
            of_top = upstream / bottom
            of_bottom = -of_top * (ops.matmul(above, columns) / bottom)
            across = ops.swapaxes(columns, -1, -2)
            of_above, of_below = ops.matmul(of_top, across), ops.matmul(of_bottom, across)
            of_columns = ops.matmul(ops.swapaxes(above, -1, -2), of_top)
            of_columns = of_columns + ops.matmul(ops.swapaxes(below, -1, -2), of_bottom)
            of_query = ops.matmul(of_above * above + of_below * below, ops.transpose(signs))
            of_key = ops.matmul(signs, of_columns * columns)
            of_scale = ops.matmul(signs, ops.sum(of_above * below, axis=(0, 1))[:, None])[:, 0]
            return carry, (of_query, of_key, of_scale)

        of_query, of_key, of_scale = scan(step, (), groups, tuple(dtypes))[1]
        return (
            _joined(of_query, (1, 2, 0, 3), query),
            _joined(of_key, (1, 3, 0, 2), key),
            ops.reshape(of_scale, (-1,))[: scale.shape[0]],
        )

    of_query, of_key, of_scale = _in_range(query, key, run)
    return largest * of_query, largest * of_key, of_scale


def _normalized(scale):
    """`scale` between -1 and 1, so that it takes no part in any overflow; and by how much."""
    largest = ops.maximum(ops.max(ops.abs(scale)), 1e-30)
    return scale / largest, largest


def _in_range(query, key, run):
    """`run` with as many units together as the numbers' range allows."""
    reach = ops.max(ops.abs(query), axis=(0, 1)) + ops.max(ops.abs(key), axis=(0, 1))
    fits = ops.max(ops.sum(_grouped(reach, TOGETHER), axis=-1)) < WITHIN_REACH
    return ops.cond(fits, lambda: run(TOGETHER), lambda: run(1))


def _signs(together, dtype):
    """All choices of signs, `(together, 2^together)`."""
    return ops.convert_to_tensor(
        np.array(list(itertools.product((-1, 1), repeat=together))).T, dtype
    )


def _grouped(x, together):
    """`(..., units)` as `(..., units / together, together)`, with zeros where units are missing."""
    missing = -x.shape[-1] % together
    x = ops.pad(x, [*[[0, 0]] * (len(x.shape) - 1), [0, missing]])
    return ops.reshape(x, (*ops.shape(x)[:-1], x.shape[-1] // together, together))


def _groups(query, key, scale, together):
    """What each step needs of its units: of query, of key (transposed) and of scale."""
    return (
        ops.transpose(_grouped(query, together), (2, 0, 1, 3)),
        ops.transpose(_grouped(key, together), (2, 0, 3, 1)),
        _grouped(scale, together),
    )


def _factors(query, key, scale):
    """The factors of numerator and denominator: two for the rows, one for the columns.

    Each row and column is divided by the root of its largest: that cancels in the fraction, and
    leaves room on both sides for a small or large gradient that is divided by the denominator.
    """
    signs = _signs(scale.shape[-1], query.dtype)
    below = ops.exp(ops.matmul(query, signs) - ops.sum(ops.abs(query), -1, keepdims=True) / 2)
    columns = ops.matmul(ops.transpose(signs), key)
    columns = ops.exp(columns - ops.sum(ops.abs(key), -2, keepdims=True) / 2)
    return below * ops.matmul(scale[None], signs), below, columns


def _joined(x, axes, like):
    """Groups of units put back into one axis, without those that were missing."""
    x = ops.transpose(x, axes)
    return ops.reshape(x, (*ops.shape(x)[:2], -1))[..., : like.shape[-1]]
