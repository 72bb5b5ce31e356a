"""Additive attention from projections to contexts, one block of queries at a time.

Scores, mask, dropout mask and weights exist for one block only, and the gradient recomputes them.
"""

from keras import ops

from keras_attention.kernels import tuning
from keras_attention.kernels.additive.row_masks import RowMasks
from keras_attention.kernels.additive.scores import (
    as_tensor,
    compute_gradients,
    compute_scores,
    is_in_range,
    merge_batch_axes,
)
from keras_attention.kernels.dropout import apply_dropout
from keras_attention.kernels.scan import scan
from keras_attention.mask.structured_mask import as_structured_mask
from keras_attention.normalize import softmax
from keras_attention.precision import at_least_float32


def additive_attention(
    query, key, scale, value, mask=None, seeds=None, rate=0.0, return_weights=False
):
    """Compute the context of `softmax(additive_scores(query, key, scale), mask)` after dropout.

    Projections may have any size, as in `additive_scores`.

    Args:
        query: Projected queries `(batch, ..., Tq, units)`, float32 or float64.
        key: Projected keys `(batch, ..., Tk, units)`.
        scale: `(units,)`.
        value: `(batch, ..., Tk, Dv)`.
        mask: A `StructuredMask`; a dense mask, bool and broadcastable to `(batch, ..., Tq, Tk)`;
            or None.
        seeds: Int32 `(batch, ..., Tq)`, the dropout's `row_seeds`; or None.
        rate: Fraction of the weights to drop.
        return_weights: Whether to return the weights, before dropout, too.

    Returns:
        Context `(batch, ..., Tq, Dv)` in the dtype of `value`; and the weights or None.
    """
    outer, queries = ops.shape(query)[:-2], ops.shape(query)[-2]
    mask = as_structured_mask(mask, queries, ops.shape(key)[-2])
    masks = RowMasks(mask, outer)
    rows = {
        **masks.rows,
        "seeds": None if seeds is None else merge_batch_axes(ops.expand_dims(seeds, -1)),
    }
    arrays = (
        merge_batch_axes(query),
        merge_batch_axes(key),
        as_tensor(scale, query),
        at_least_float32(merge_batch_axes(value)),
    )
    result = _differentiable_attention(masks, rows, rate, return_weights)(*arrays)
    result = ops.reshape(result, (*outer, queries, ops.shape(result)[-1]))
    context = ops.cast(result[..., : value.shape[-1]], value.dtype)
    # Fully masked queries get a zero context and zero gradients, even if the upstream gradient is
    # NaN.
    context = mask.zero_masked_queries(context)
    return context, result[..., value.shape[-1] :] if return_weights else None


def _differentiable_attention(masks, rows, rate, return_weights):
    """Return the differentiable function of query, key, scale and value.

    The function returns one tensor, as some backends require: the context and, after it on the last
    axis, the weights.

    Args:
        masks: A `RowMasks`.
        rows: The masks and seeds of each query, each `(batch or 1, Tq, n)`.
    """

    def compute_weights(key, scale, in_range, query, seeds=None, **rows):
        scores = compute_scores(query, key, scale, in_range)
        return softmax(scores, masks.build_block_mask(**rows))

    def drop(x, seeds=None, **_):
        return x if seeds is None else apply_dropout(x, seeds[..., 0], rate)

    @ops.custom_gradient
    def attend(query, key, scale, value):
        width = value.shape[-1]
        row_inputs, in_range = {"query": query, **rows}, is_in_range(query, key)

        def step(carry, block):
            weights = compute_weights(key, scale, in_range, **block)
            context = ops.matmul(drop(weights, **block), value)
            parts = [context, weights] if return_weights else [context]
            return carry, ops.concatenate(parts, axis=-1)

        def step_back(carry, inputs):
            block, upstream = inputs
            grad_key, grad_scale, grad_value = carry
            weights = compute_weights(key, scale, in_range, **block)
            grad_weights = ops.matmul(upstream[..., :width], ops.swapaxes(value, -1, -2))
            grad_weights = drop(grad_weights, **block)
            if return_weights:
                grad_weights = grad_weights + upstream[..., width:]
            mean = ops.sum(weights * grad_weights, axis=-1, keepdims=True)
            grad_scores = weights * (grad_weights - mean)
            gradients = compute_gradients(block["query"], key, scale, grad_scores, in_range)
            grad_query, block_grad_key, block_grad_scale = gradients
            dropped_weights = ops.swapaxes(drop(weights, **block), -1, -2)
            grad_value = grad_value + ops.matmul(dropped_weights, upstream[..., :width])
            return (
                grad_key + block_grad_key,
                grad_scale + block_grad_scale,
                grad_value,
            ), grad_query

        def gradient(*args, upstream=None):
            upstream = args[-1] if upstream is None else upstream
            start = tuple(ops.zeros_like(x) for x in (key, scale, value))
            blocks = _split_blocks({**row_inputs, "upstream": upstream}, key)
            inputs = blocks, blocks.pop("upstream")
            carry, grad_query = scan(step_back, start, inputs, query.dtype)
            return (_merge_blocks(grad_query, query), *carry)

        results = scan(step, (), _split_blocks(row_inputs, key), query.dtype)[1]
        return _merge_blocks(results, query), gradient

    return attend


def _split_blocks(rows, key):
    """Split each `(batch or 1, Tq, n)` into blocks `(blocks, batch or 1, rows per block, n)`."""
    (batch, queries, _), keys = ops.shape(rows["query"]), ops.shape(key)[1]
    is_static = all(isinstance(size, int) for size in (batch, queries, keys))
    minimum, maximum = (min, max) if is_static else (ops.minimum, ops.maximum)
    # The loop for XLA pads its rows to this number anyway.
    min_rows = tuning.ADDITIVE_TERMS_PER_ITERATION
    size = maximum(tuning.ADDITIVE_PAIRS_PER_BLOCK // maximum(batch * keys, 1), min_rows)
    size = maximum(minimum(size, queries), 1)
    count = maximum(-(-queries // size), 1)  # XLA rejects a loop of zero iterations
    missing = count * size - queries

    def split(x):
        x = ops.pad(x, [[0, 0], [0, missing], [0, 0]])
        x = ops.reshape(x, (ops.shape(x)[0], count, size, ops.shape(x)[-1]))
        return ops.transpose(x, (1, 0, 2, 3))

    return {name: split(x) for name, x in rows.items() if x is not None}


def _merge_blocks(blocks, query):
    """Merge the blocks of `_split_blocks` again, without the padding of the last block."""
    count, batch, size, width = ops.shape(blocks)
    merged = ops.reshape(ops.transpose(blocks, (1, 0, 2, 3)), (batch, count * size, width))
    return merged[:, : ops.shape(query)[1]]
