"""Additive attention from projections to contexts, a block of queries at a time.

Of the scores and weights only a block's exist at any time: the gradient computes them anew.
"""

import math

from keras import ops

from keras_attention.kernels.additive_by_units import TERMS
from keras_attention.kernels.additive_scores import bounded, flat, value_of, way
from keras_attention.kernels.scan import scan
from keras_attention.mask import hide
from keras_attention.normalize import softmax
from keras_attention.precision import at_least_float32

# Pairs of a block: what is made of them stays in a cache, and is worth a step of a loop.
PAIRS = 2**19


def exceeds_one_block(query, key):
    """Whether the pairs are known to be more than a block has."""
    *outer, queries = query.shape[:-1]
    sizes = (*(size or 1 for size in outer), queries, key.shape[-2])
    return None not in sizes and math.prod(sizes) > PAIRS


def additive_reading(query, key, scale, value, mask=None, noise=None, return_weights=False):
    """Context of `softmax(additive_scores(query, key, scale), mask)`, times the noise if any.

    Args:
        query: Projected queries `(batch, ..., Tq, units)`, float32 or float64.
        key: Projected keys `(batch, ..., Tk, units)`.
        scale: `(units,)`.
        value: `(batch, ..., Tk, Dv)`.
        mask: Bool, broadcastable to `(batch, ..., Tq, Tk)`, True = may be seen; or None.
        noise: `(batch, ..., Tq, Tk)`, what dropout multiplies the weights by; or None.
        return_weights: Whether to return the weights, before the noise, too.

    Returns:
        Context `(batch, ..., Tq, Dv)` in the dtype of `value`; and the weights or None.
    """
    outer, (queries, keys) = ops.shape(query)[:-2], (ops.shape(query)[-2], ops.shape(key)[-2])
    if mask is not None:
        rows = 1 if mask.shape[-2] == 1 else queries
        mask = flat(ops.broadcast_to(mask, (*outer, rows, keys)))
    noise = None if noise is None else flat(noise)
    arrays = (bounded(query), bounded(key), value_of(scale, query), at_least_float32(flat(value)))
    found = _reading(mask, noise, return_weights)(*arrays)
    found = ops.reshape(found, (*outer, queries, ops.shape(found)[-1]))
    context = ops.cast(found[..., : value.shape[-1]], value.dtype)
    if mask is not None:  # nothing comes back from a query that sees nothing, be it NaN
        sees = ops.any(mask, axis=-1)
        context = hide(context, ops.reshape(sees, (*outer, ops.shape(sees)[-1])))
    return context, found[..., value.shape[-1] :] if return_weights else None


def _reading(mask, noise, return_weights):
    """The differentiable function of the four arrays; one tensor, as some backends want it."""

    def block(query, key, scale, mask=mask, noise=None):
        weights = softmax(way().scores(query, key, scale), mask)
        return weights, weights if noise is None else weights * noise

    @ops.custom_gradient
    def read(query, key, scale, value):
        width = value.shape[-1]
        given = {"query": query, "mask": mask, "noise": noise}
        if mask is not None and mask.shape[-2] == 1:  # one for all queries
            del given["mask"]

        def step(carry, given):
            weights, read = block(key=key, scale=scale, **given)
            context = ops.matmul(read, value)
            parts = [context, weights] if return_weights else [context]
            return carry, ops.concatenate(parts, axis=-1)

        def step_back(carry, inputs):
            given, upstream = inputs
            of_key, of_scale, of_value = carry
            weights, read = block(key=key, scale=scale, **given)
            of_weights = ops.matmul(upstream[..., :width], ops.swapaxes(value, -1, -2))
            if noise is not None:
                of_weights = of_weights * given["noise"]
            if return_weights:
                of_weights = of_weights + upstream[..., width:]
            mean = ops.sum(weights * of_weights, axis=-1, keepdims=True)
            of_scores = weights * (of_weights - mean)
            found = way().gradients(given["query"], key, scale, of_scores)
            of_value = of_value + ops.matmul(ops.swapaxes(read, -1, -2), upstream[..., :width])
            return (of_key + found[1], of_scale + found[2], of_value), found[0]

        def gradient(*args, upstream=None):
            upstream = args[-1] if upstream is None else upstream
            start = tuple(ops.zeros_like(x) for x in (key, scale, value))
            blocks = _blocks({**given, "upstream": upstream}, key)
            inputs = blocks, blocks.pop("upstream")
            carry, of_query = scan(step_back, start, inputs, query.dtype)
            return (_whole(of_query, query), *carry)

        found = scan(step, (), _blocks(given, key), query.dtype)[1]
        return _whole(found, query), gradient

    return read


def _blocks(given, key):
    """Cuts each `(batch, Tq, any)` that is given into `(blocks, batch, Tq of a block, any)`."""
    (batch, queries, _), keys = ops.shape(given["query"]), ops.shape(key)[1]
    is_known = all(isinstance(size, int) for size in (batch, queries, keys))
    least, most = (min, max) if is_known else (ops.minimum, ops.maximum)
    rows = most(PAIRS // most(batch * keys, 1), TERMS)  # of fewer a compiler's loop makes as many
    rows = most(least(rows, queries), 1)
    count = most(-(-queries // rows), 1)  # a compiler refuses a loop without a step
    missing = count * rows - queries

    def cut(x):
        x = ops.pad(x, [[0, 0], [0, missing], [0, 0]])
        x = ops.reshape(x, (batch, count, rows, ops.shape(x)[-1]))
        return ops.transpose(x, (1, 0, 2, 3))

    return {name: cut(x) for name, x in given.items() if x is not None}


def _whole(blocks, query):
    """What `_blocks` has cut, put together again, without what filled the last block."""
    count, batch, rows, width = ops.shape(blocks)
    found = ops.reshape(ops.transpose(blocks, (1, 0, 2, 3)), (batch, count * rows, width))
    return found[:, : ops.shape(query)[1]]
