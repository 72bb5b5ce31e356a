"""Additive scores without a compiler: matrix products, a few units at a time.

tanh(q + k) is the fraction (e^(q + k) - e^-(q + k)) / (e^(q + k) + e^-(q + k)). Over a common
denominator, the sum of several units' fractions is one fraction. Its numerator and denominator are
sums, over all choices of signs s, of

    e^(s . q) e^(s . k),        in the numerator times s . scale.

So a product of two small matrices gives the numerators of all pairs at once, a second product their
denominators, and a pair costs one division for several units. Without fusion, elementwise
operations on all pairs take most of the time, and this method needs few of them.

Domain: the absolute projections of a group of units sum to less than 80 for any query and key, so
that no exponential overflows.
"""

import itertools

import numpy as np
from keras import ops

from keras_attention.kernels import tuning
from keras_attention.kernels.scan import scan

# The maximum over query-key pairs of the absolute exponents, summed over one group of units: above
# it, the exponentials would overflow in float32.
MAX_EXPONENT_PER_GROUP = 80.0


def is_in_range(query, key):
    """Return whether all projections are in the domain of this module, a bool scalar tensor."""
    exponents = ops.max(ops.abs(query), axis=(0, 1)) + ops.max(ops.abs(key), axis=(0, 1))
    groups = _group_units(exponents)
    return ops.max(ops.sum(groups, axis=-1)) < MAX_EXPONENT_PER_GROUP


def scores(query, key, scale):
    """As `xla.scores`."""
    scale, factor = _normalize_scale(scale)
    groups = _group_inputs(query, key, scale)

    def step(total, inputs):
        numerator, denominator, columns = _factors(*inputs)
        return total + ops.matmul(numerator, columns) / ops.matmul(denominator, columns), ()

    pairs = (*ops.shape(query)[:2], ops.shape(key)[1])
    return factor * scan(step, ops.zeros(pairs, query.dtype), groups, ())[0]


def gradients(query, key, scale, upstream):
    """As `xla.gradients`."""
    scale, factor = _normalize_scale(scale)
    signs = _signs(tuning.ADDITIVE_UNITS_PER_GROUP, query.dtype)
    groups = _group_inputs(query, key, scale)

    def step(carry, inputs):
        numerator, denominator, columns = _factors(*inputs)
        bottom = ops.matmul(denominator, columns)
        grad_top = upstream / bottom
        grad_bottom = -grad_top * (ops.matmul(numerator, columns) / bottom)
        transposed = ops.swapaxes(columns, -1, -2)
        grad_numerator = ops.matmul(grad_top, transposed)
        grad_denominator = ops.matmul(grad_bottom, transposed)
        grad_columns = ops.matmul(ops.swapaxes(numerator, -1, -2), grad_top)
        grad_columns = grad_columns + ops.matmul(ops.swapaxes(denominator, -1, -2), grad_bottom)
        grad_rows = grad_numerator * numerator + grad_denominator * denominator
        grad_query = ops.matmul(grad_rows, ops.transpose(signs))
        grad_key = ops.matmul(signs, grad_columns * columns)
        grad_scale = ops.sum(grad_numerator * denominator, axis=(0, 1))
        grad_scale = ops.matmul(signs, grad_scale[:, None])[:, 0]
        return carry, (grad_query, grad_key, grad_scale)

    grad_query, grad_key, grad_scale = scan(step, (), groups, (query.dtype,) * 3)[1]
    return (
        factor * _merge_groups(grad_query, (1, 2, 0, 3), query),
        factor * _merge_groups(grad_key, (1, 3, 0, 2), key),
        ops.reshape(grad_scale, (-1,))[: scale.shape[0]],
    )


def _normalize_scale(scale):
    """Divide `scale` into the range +-1, against overflow; return the divisor too."""
    divisor = ops.maximum(ops.max(ops.abs(scale)), 1e-30)
    return scale / divisor, divisor


def _signs(units, dtype):
    """Return all choices of signs, `(units, 2^units)`."""
    return ops.convert_to_tensor(np.array(list(itertools.product((-1, 1), repeat=units))).T, dtype)


def _group_units(x):
    """Reshape the last axis into groups of units, with zeros in place of missing units."""
    units = tuning.ADDITIVE_UNITS_PER_GROUP
    missing = -x.shape[-1] % units
    x = ops.pad(x, [*[[0, 0]] * (len(x.shape) - 1), [0, missing]])
    return ops.reshape(x, (*ops.shape(x)[:-1], x.shape[-1] // units, units))


def _group_inputs(query, key, scale):
    """Return the inputs of each step: its units of query, of key (transposed) and of scale."""
    return (
        ops.transpose(_group_units(query), (2, 0, 1, 3)),
        ops.transpose(_group_units(key), (2, 0, 3, 1)),
        _group_units(scale),
    )


def _factors(query, key, scale):
    """Return the factors of numerator and denominator: two for the rows, one for the columns.

    Each row and each column is divided by the square root of its largest entry. This cancels in the
    fraction, and leaves room in float32 on both sides for a small or large gradient that is divided
    by the denominator.
    """
    signs = _signs(scale.shape[-1], query.dtype)
    denominator = ops.exp(ops.matmul(query, signs) - ops.sum(ops.abs(query), -1, keepdims=True) / 2)
    columns = ops.matmul(ops.transpose(signs), key)
    columns = ops.exp(columns - ops.sum(ops.abs(key), -2, keepdims=True) / 2)
    return denominator * ops.matmul(scale[None], signs), denominator, columns


def _merge_groups(x, axes, like):
    """Merge groups of units into one axis again, without the padding."""
    x = ops.transpose(x, axes)
    return ops.reshape(x, (*ops.shape(x)[:2], -1))[..., : like.shape[-1]]
