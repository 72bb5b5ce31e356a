"""Attention by additive scores from projections to contexts, a block of queries at a time.

Of the scores, the mask, what is dropped and the weights only a block's exist at any time: the
gradient computes them anew.
"""

import math

import keras
from keras import ops

from keras_attention.kernels.additive.compare import has_kernel
from keras_attention.kernels.additive.row_masks import RowMasks
from keras_attention.kernels.additive.scores import (
    as_tensor,
    clip_projections,
    merge_batch_axes,
    select_implementation,
)
from keras_attention.kernels.additive.xla import TERMS
from keras_attention.kernels.dropout import apply_dropout
from keras_attention.kernels.scan import scan
from keras_attention.mask import hide
from keras_attention.mask.structured_mask import as_structured_mask
from keras_attention.normalize import softmax
from keras_attention.precision import at_least_float32
from keras_attention.score import AdditiveScore

# Pairs of a block: what is made of them stays in a cache, and is worth a step of a loop.
PAIRS = 2**19


def supports(score, query, key, value):
    """True if `additive_attention` should evaluate this, by the score's `implementation`."""
    batches = {tuple(x.shape[:-2]) for x in (query, key, value)}
    if not isinstance(score, AdditiveScore) or len(batches) > 1 or score.covers(key) is not None:
        return False
    units = score.scale.shape[-1]
    query, key = (keras.KerasTensor((*x.shape[:-1], units)) for x in (query, key))
    if not has_kernel(score, query, key):
        return False
    return score.implementation == "blockwise" or exceeds_one_block(query, key)


def exceeds_one_block(query, key):
    """Whether the pairs are known to be more than a block has."""
    *outer, queries = query.shape[:-1]
    sizes = (*(size or 1 for size in outer), queries, key.shape[-2])
    return None not in sizes and math.prod(sizes) > PAIRS


def additive_attention(
    query, key, scale, value, visible=None, seeds=None, rate=0.0, return_weights=False
):
    """Context of `softmax(additive_scores(query, key, scale), visible)`, some of it dropped.

    Args:
        query: Projected queries `(batch, ..., Tq, units)`, float32 or float64.
        key: Projected keys `(batch, ..., Tk, units)`.
        scale: `(units,)`.
        value: `(batch, ..., Tk, Dv)`.
        visible: A `Visible`; a mask of pairs, bool and broadcastable to `(batch, ..., Tq, Tk)`; or
            None.
        seeds: Int32 `(batch, ..., Tq)` of the dropout, as `row_seeds` draws them; or None.
        rate: Fraction of the weights to drop.
        return_weights: Whether to return the weights, before dropout, too.

    Returns:
        Context `(batch, ..., Tq, Dv)` in the dtype of `value`; and the weights or None.
    """
    outer, queries = ops.shape(query)[:-2], ops.shape(query)[-2]
    visible = as_structured_mask(visible, queries, ops.shape(key)[-2])
    sight = RowMasks(visible, outer)
    rows = {
        **sight.rows,
        "seeds": None if seeds is None else merge_batch_axes(ops.expand_dims(seeds, -1)),
    }
    arrays = (
        clip_projections(query),
        clip_projections(key),
        as_tensor(scale, query),
        at_least_float32(merge_batch_axes(value)),
    )
    found = _reading(sight, rows, rate, return_weights)(*arrays)
    found = ops.reshape(found, (*outer, queries, ops.shape(found)[-1]))
    # Nothing comes back from a query that sees nothing, be it NaN.
    context = hide(
        ops.cast(found[..., : value.shape[-1]], value.dtype), visible.query_has_visible_key()
    )
    return context, found[..., value.shape[-1] :] if return_weights else None


def _reading(sight, rows, rate, return_weights):
    """The differentiable function of the four arrays; one tensor, as some backends want it.

    rows: what a block has of the masks and seeds, each `(batch or 1, Tq, any)`.
    """

    def weights_of(key, scale, query, seeds=None, **rows):
        return softmax(select_implementation().scores(query, key, scale), sight.of_block(**rows))

    def drop(x, seeds=None, **_):
        return x if seeds is None else apply_dropout(x, seeds[..., 0], rate)

    @ops.custom_gradient
    def read(query, key, scale, value):
        width = value.shape[-1]
        given = {"query": query, **rows}

        def step(carry, given):
            weights = weights_of(key, scale, **given)
            context = ops.matmul(drop(weights, **given), value)
            parts = [context, weights] if return_weights else [context]
            return carry, ops.concatenate(parts, axis=-1)

        def step_back(carry, inputs):
            given, upstream = inputs
            of_key, of_scale, of_value = carry
            weights = weights_of(key, scale, **given)
            of_weights = ops.matmul(upstream[..., :width], ops.swapaxes(value, -1, -2))
            of_weights = drop(of_weights, **given)
            if return_weights:
                of_weights = of_weights + upstream[..., width:]
            mean = ops.sum(weights * of_weights, axis=-1, keepdims=True)
            of_scores = weights * (of_weights - mean)
            found = select_implementation().gradients(given["query"], key, scale, of_scores)
            read = ops.swapaxes(drop(weights, **given), -1, -2)
            of_value = of_value + ops.matmul(read, upstream[..., :width])
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
    """Cuts each `(batch or 1, Tq, any)` that is given: `(blocks, batch or 1, Tq of one, any)`."""
    (batch, queries, _), keys = ops.shape(given["query"]), ops.shape(key)[1]
    is_known = all(isinstance(size, int) for size in (batch, queries, keys))
    least, most = (min, max) if is_known else (ops.minimum, ops.maximum)
    rows = most(PAIRS // most(batch * keys, 1), TERMS)  # of fewer a compiler's loop makes as many
    rows = most(least(rows, queries), 1)
    count = most(-(-queries // rows), 1)  # a compiler refuses a loop without a step
    missing = count * rows - queries

    def cut(x):
        x = ops.pad(x, [[0, 0], [0, missing], [0, 0]])
        x = ops.reshape(x, (ops.shape(x)[0], count, rows, ops.shape(x)[-1]))
        return ops.transpose(x, (1, 0, 2, 3))

    return {name: cut(x) for name, x in given.items() if x is not None}


def _whole(blocks, query):
    """What `_blocks` has cut, put together again, without what filled the last block."""
    count, batch, rows, width = ops.shape(blocks)
    found = ops.reshape(ops.transpose(blocks, (1, 0, 2, 3)), (batch, count * rows, width))
    return found[:, : ops.shape(query)[1]]
