"""The loop over the blocks of one group of heads on JAX, forward and backward."""

import jax
from jax import lax
from jax import numpy as jnp

from keras_attention.kernels.dot.jax.slices import add_at, merge_segments, pad, slice_at
from keras_attention.kernels.dropout import keep_mask
from keras_attention.mask import combine
from keras_attention.normalize.masked import MASKED_SCORE, MIN_VISIBLE_SCORE
from keras_attention.precision import saturate_cast, score_dtype


class BlockLoops:
    """Computes attention and its gradients with the weights of one block at a time.

    Keys, values and their gradients are transposed, `(width, Tk)`: XLA takes long for a product
    whose large factor is transposed.

    Args:
        layout: A `Layout`.
        visible: Its `StructuredMask`, without masks that are arrays.
        rate: Fraction of the weights to drop.
    """

    def __init__(self, layout, visible, rate):
        self.layout, self.visible, self.rate = layout, visible, rate
        self.attend = jax.custom_vjp(lambda arrays, masks: self._attend(arrays, masks)[0])
        self.attend.defvjp(self._forward, self._backward)

    def pad(self, arrays, masks):
        """Pad to a multiple of the block and band size, and transpose keys and values.

        Args:
            arrays: Queries `(batch, heads, Tq, D)`; keys and values `(batch, groups, Tk, width)`;
                bias `(batch or 1, heads or 1, Tq or 1, Tk or 1)` or None.
            masks: Dict of query_mask `(batch or 1, Tq)`, key_mask `(batch or 1, Tk)`, pairs
                `(batch or 1, Tq, Tk)` and seeds `(batch, heads, Tq)`, each or None.
        """
        query, key, value, bias = arrays
        rows = 0, self.layout.blocks * self.layout.rows - self.visible.queries
        columns = (0, 0) if self.layout.band is None else self.layout.band[:2]
        key, value = (jnp.swapaxes(pad(x, {2: columns}), 2, 3) for x in (key, value))
        if bias is not None:
            margins = {2: rows, 3: columns}
            bias = pad(bias, {axis: margins[axis] for axis in margins if bias.shape[axis] > 1})
        return (pad(query, {2: rows}), key, value, bias), {
            "query_mask": pad(masks["query_mask"], {1: rows}),
            "key_mask": pad(masks["key_mask"], {1: columns}),
            "pairs": pad(masks["pairs"], {1: rows, 2: columns}),
            "seeds": pad(masks["seeds"], {2: rows}),
        }

    def _attend(self, arrays, masks):
        """Return the context and the softmax normalizer of one group.

        Args:
            arrays: Queries `(heads, blocks * rows, D)`, keys and values `(width, Tk)`, and the bias
                `(heads or 1, blocks * rows or 1, Tk or 1)` or None.
            masks: Dict of query_mask `(blocks * rows,)`, key_mask `(Tk,)`, pairs
                `(blocks * rows, Tk)` and seeds `(heads, blocks * rows)`, each or None.

        Returns:
            `(heads, blocks * rows, Dv)`; and `(heads, blocks * rows, 2)`, the maximum of the scores
            and the sum of the exponentials.
        """
        results = []
        for segment in self.layout.segments:

            def attend_block(block, segment=segment):
                _, _, value, scores = self._compute_scores(arrays, masks, segment, block)
                # All weights of a row without a visible key are zero: its scores are far below.
                peak = jnp.maximum(jnp.max(scores, axis=-1, keepdims=True), MIN_VISIBLE_SCORE)
                weights = jnp.exp(scores - peak)
                # The sum is at least 1 unless no key is visible.
                total = jnp.maximum(jnp.sum(weights, axis=-1, keepdims=True), 1)
                weights = self._apply_dropout(weights, masks, segment, block)
                context = _multiply("hrc,dc->hrd", weights, value, value.dtype) / total
                return context, jnp.concatenate([peak, total], axis=-1)

            results.append(lax.map(attend_block, self._number_blocks(segment, arrays)))
        return [merge_segments(parts) for parts in zip(*results, strict=True)]

    def _forward(self, arrays, masks):
        context, norm = self._attend(arrays, masks)
        return context, (arrays, masks, context, norm)

    def _backward(self, residuals, upstream):
        arrays, masks, context, norm = residuals
        grad_query, grads = [], [_create_sum(x) for x in arrays[1:]]
        for segment in self.layout.segments:

            def differentiate_block(grads, block, segment=segment):
                query, key, value, scores = self._compute_scores(arrays, masks, segment, block)
                block_context, block_norm, block_upstream = (
                    self._slice_rows(x, block) for x in (context, norm, upstream)
                )
                weights = jnp.exp(scores - block_norm[..., :1]) / block_norm[..., 1:]
                grad_weights = _multiply("hrd,dc->hrc", block_upstream, value, value.dtype)
                grad_weights = self._apply_dropout(grad_weights, masks, segment, block)
                # The mean of `grad_weights` under `weights`, without another pass over the block.
                mean = jnp.sum(block_upstream * block_context, axis=-1, keepdims=True)
                grad_scores = weights * (grad_weights - mean)
                weights = self._apply_dropout(weights, masks, segment, block)
                start = self._first_key(block)
                grad_key = _multiply("hrd,hrc->dc", query, grad_scores, key.dtype)
                grad_value = _multiply("hrd,hrc->dc", block_upstream, weights, value.dtype)
                grads = (
                    add_at(grads[0], grad_key, (0, start)),
                    add_at(grads[1], grad_value, (0, start)),
                    add_at(grads[2], grad_scores, (0, block * self.layout.rows, start)),
                )
                return grads, _multiply("hrc,dc->hrd", grad_scores, key, key.dtype)

            numbers = self._number_blocks(segment, arrays)
            grads, parts = lax.scan(differentiate_block, tuple(grads), numbers)
            grad_query.append(parts)
        grads = merge_segments(grad_query), *grads
        pairs = zip(grads, arrays, strict=True)
        return tuple(x if x is None else saturate_cast(g, x.dtype.name) for g, x in pairs), None

    def _number_blocks(self, segment, arrays):
        """Return the indices of a segment's blocks."""
        numbers = jnp.arange(segment.first, segment.first + segment.count)
        # Tie the indices to an array that differs between heads. The masks depend only on the
        # indices, so JAX would otherwise compute the masks of all blocks before the loop over
        # heads, and store them as one large array.
        return lax.optimization_barrier((numbers, arrays[0][0, 0]))[0]

    def _first_key(self, block):
        """Return the first key of a block, counted with the padding in front."""
        if self.layout.band is None:
            return 0
        return self.layout.band.first + block * self.layout.rows

    def _position_keys(self, start, columns):
        """Return the positions of keys; padding is outside of [0, Tk)."""
        front = 0 if self.layout.band is None else self.layout.band.front
        return jnp.arange(columns) + start - front

    def _slice_rows(self, x, block):
        """Slice a block's rows of `(heads, blocks * rows, ...)`."""
        rows = self.layout.rows
        return lax.dynamic_slice_in_dim(x, block * rows, rows, axis=1)

    def _compute_scores(self, arrays, masks, segment, block):
        """Slice a block's queries, keys and values, and compute its scores.

        Returns:
            `(heads, rows, D)`, `(D, columns)`, `(Dv, columns)`; and the scores `(heads, rows,
            columns)`, which are `MASKED_SCORE` where masked.
        """
        query, key, value, bias = arrays
        corner = block * self.layout.rows, self._first_key(block)
        size = self.layout.rows, segment.columns
        query = self._slice_rows(query, block)
        key, value = (lax.dynamic_slice_in_dim(x, corner[1], size[1], 1) for x in (key, value))
        scores = _multiply("hrd,dc->hrc", query, key, key.dtype)
        if bias is not None:
            scores = scores + slice_at(bias, (0, *corner), scores.shape)
        parts = self._mask_positions(*corner, *size)
        if masks["query_mask"] is not None:
            query_mask = lax.dynamic_slice_in_dim(masks["query_mask"], corner[0], size[0])
            parts.append(query_mask[:, None])
        if masks["key_mask"] is not None:
            parts.append(lax.dynamic_slice_in_dim(masks["key_mask"], corner[1], size[1]))
        if masks["pairs"] is not None:
            parts.append(lax.dynamic_slice(masks["pairs"], corner, size))
        mask = combine(*parts)
        return query, key, value, scores if mask is None else jnp.where(mask, scores, MASKED_SCORE)

    def _mask_positions(self, row, start, rows, columns):
        """Return the masks `(rows, columns)` of causality, the window and the bands' padding."""
        visible, masks = self.visible, []
        key = self._position_keys(start, columns)
        query = (jnp.arange(rows) + row + visible.keys - visible.queries)[:, None]
        if self.layout.band is not None:
            masks.append((key >= 0) & (key < visible.keys))
        if visible.causal:
            masks.append(key <= query)
        if visible.window is not None:
            masks.append(jnp.abs(key - query) <= visible.window)
        return masks

    def _apply_dropout(self, weights, masks, segment, block):
        """Zero the weights that dropout does not keep; the others are not scaled."""
        if masks["seeds"] is None:
            return weights
        key = self._position_keys(self._first_key(block), segment.columns)
        keep = keep_mask(self._slice_rows(masks["seeds"], block), key, self.rate)
        return jnp.where(keep, weights, 0)


def _multiply(equation, a, b, dtype):
    """Multiply factors that are rounded to `dtype`; the product is float32 or float64."""
    a, b = (saturate_cast(x, dtype.name) for x in (a, b))
    return jnp.einsum(equation, a, b, preferred_element_type=score_dtype(dtype.name))


def _create_sum(x):
    """Return zeros for the sum of a gradient, at least float32; None stays None."""
    return None if x is None else jnp.zeros(x.shape, score_dtype(x.dtype.name))
