"""The loop over the blocks of queries of one group of heads, on JAX, and the way back."""

import jax
from jax import lax
from jax import numpy as jnp

from keras_attention.kernels.dropout import keep_mask
from keras_attention.mask import combine
from keras_attention.normalize.masked import MASKED_SCORE


class Blocks:
    """Reads and differentiates with the weights of one block at a time.

    Keys and values stand upright, `(width, Tk)`, and so do the sums of their gradients: XLA takes
    long for a product whose large factor is transposed.

    Args:
        plan: A `Layout`; its blocks meet their keys in one piece.
        visible: The `Visible` that it is of, without masks.
        rate: Fraction of the weights to drop.
    """

    def __init__(self, plan, visible, rate):
        self.plan, self.visible, self.rate = plan, visible, rate
        self.attend = jax.custom_vjp(lambda arrays, given: self._read(arrays, given)[0])
        self.attend.defvjp(self._forward, self._backward)

    def padded(self, arrays, given):
        """What is cut, up to whole blocks and bands; keys and values upright.

        Args:
            arrays: Queries `(batch, heads, Tq, D)`; keys and values `(batch, groups, Tk, any)`;
                bias `(batch or 1, heads or 1, Tq or 1, Tk or 1)` or None.
            given: Dict of query_mask `(batch or 1, Tq)`, key_mask `(batch or 1, Tk)`, pairs
                `(batch or 1, Tq, Tk)` and seeds `(batch, heads, Tq)`, each or None.
        """
        query, key, value, bias = arrays
        band = self.plan.band
        over = 0, self.plan.blocks * self.plan.rows - self.visible.queries
        around = (0, 0) if band is None else band[:2]
        key, value = (jnp.swapaxes(_padded(x, {2: around}), 2, 3) for x in (key, value))
        if bias is not None:
            margins = {2: over, 3: around}
            bias = _padded(bias, {axis: margins[axis] for axis in margins if bias.shape[axis] > 1})
        return (_padded(query, {2: over}), key, value, bias), {
            "query_mask": _padded(given["query_mask"], {1: over}),
            "key_mask": _padded(given["key_mask"], {1: around}),
            "pairs": _padded(given["pairs"], {1: over, 2: around}),
            "seeds": _padded(given["seeds"], {2: over}),
        }

    def _read(self, arrays, given):
        """Context `(heads, blocks * rows, Dv)` and the norm of its weights, of one group.

        Args:
            arrays: Queries `(heads, blocks * rows, D)`, keys and values `(any, Tk)`, and the bias
                `(heads or 1, blocks * rows or 1, Tk or 1)` or None.
            given: Dict of query_mask `(blocks * rows,)`, key_mask `(Tk,)`, pairs
                `(blocks * rows, Tk)` and seeds `(heads, blocks * rows)`, each or None.
        """
        found = []
        for segment in self.plan.segments:

            def of_block(block, segment=segment):
                _, _, value, scores = self._met(arrays, given, segment, block)
                peak = jnp.max(scores, axis=-1, keepdims=True)
                weights = jnp.exp(scores - peak)
                total = jnp.sum(weights, axis=-1, keepdims=True)
                weights = self._dropped(weights, given, segment, block)
                context = jnp.einsum("hrc,dc->hrd", weights, value) / total
                return context, jnp.concatenate([peak, total], axis=-1)

            found.append(lax.map(of_block, self._numbers(segment, arrays)))
        return [_joined(parts) for parts in zip(*found, strict=True)]

    def _forward(self, arrays, given):
        context, norm = self._read(arrays, given)
        return context, (arrays, given, context, norm)

    def _backward(self, known, upstream):
        arrays, given, context, norm = known
        of_query, of_others = [], [None if x is None else jnp.zeros_like(x) for x in arrays[1:]]
        for segment in self.plan.segments:

            def of_block(sums, block, segment=segment):
                query, key, value, scores = self._met(arrays, given, segment, block)
                read, norms, back = (self._rows(x, block) for x in (context, norm, upstream))
                weights = jnp.exp(scores - norms[..., :1]) / norms[..., 1:]
                of_weights = jnp.einsum("hrd,dc->hrc", back, value)
                of_weights = self._dropped(of_weights, given, segment, block)
                # sum_j weights_j of_weights_j, without reading the whole block once more.
                mean = jnp.sum(back * read, axis=-1, keepdims=True)
                of_scores = weights * (of_weights - mean)
                weights = self._dropped(weights, given, segment, block)
                start = self._start(block)
                sums = (
                    _added(sums[0], jnp.einsum("hrd,hrc->dc", query, of_scores), (0, start)),
                    _added(sums[1], jnp.einsum("hrd,hrc->dc", back, weights), (0, start)),
                    _added(sums[2], of_scores, (0, block * self.plan.rows, start)),
                )
                return sums, jnp.einsum("hrc,dc->hrd", of_scores, key)

            of_others, found = lax.scan(of_block, tuple(of_others), self._numbers(segment, arrays))
            of_query.append(found)
        return (_joined(of_query), *of_others), None

    def _numbers(self, segment, arrays):
        """The numbers of a segment's blocks."""
        numbers = jnp.arange(segment.first, segment.first + segment.count)
        # Tied to what differs from head to head: else JAX takes the masks of all blocks at once,
        # a table, out of the loop over heads, as they hang on these numbers alone.
        return lax.optimization_barrier((numbers, arrays[0][0, 0]))[0]

    def _start(self, block):
        """The first key that a block meets, counted with those that keys are padded with."""
        return 0 if self.plan.band is None else self.plan.band.first + block * self.plan.rows

    def _keys(self, start, columns):
        """The keys' numbers, without those that keys are padded with in front."""
        return jnp.arange(columns) + start - (0 if self.plan.band is None else self.plan.band.front)

    def _rows(self, x, block):
        """A block's rows of `(heads, blocks * rows, ...)`."""
        return lax.dynamic_slice_in_dim(x, block * self.plan.rows, self.plan.rows, axis=1)

    def _met(self, arrays, given, segment, block):
        """A block's queries, the keys and values that it meets, and their scores.

        Returns:
            `(heads, rows, D)`, `(D, columns)`, `(Dv, columns)`; and `(heads, rows, columns)`, the
            lowest where nothing is visible.
        """
        query, key, value, bias = arrays
        corner = block * self.plan.rows, self._start(block)
        size = self.plan.rows, segment.columns
        query = self._rows(query, block)
        key, value = (lax.dynamic_slice_in_dim(x, corner[1], size[1], 1) for x in (key, value))
        scores = jnp.einsum("hrd,dc->hrc", query, key)
        if bias is not None:
            scores = scores + _part(bias, (0, *corner), scores.shape)
        masks = self._near(*corner, *size)
        if given["query_mask"] is not None:
            asks = lax.dynamic_slice_in_dim(given["query_mask"], corner[0], size[0])
            masks.append(asks[:, None])
        if given["key_mask"] is not None:
            masks.append(lax.dynamic_slice_in_dim(given["key_mask"], corner[1], size[1]))
        if given["pairs"] is not None:
            masks.append(lax.dynamic_slice(given["pairs"], corner, size))
        mask = combine(*masks)
        return query, key, value, scores if mask is None else jnp.where(mask, scores, MASKED_SCORE)

    def _near(self, row, start, rows, columns):
        """Masks `(rows, columns)` of a causal mask, a window, and the ends of a band."""
        visible, masks = self.visible, []
        key = self._keys(start, columns)
        place = (jnp.arange(rows) + row + visible.keys - visible.queries)[:, None]
        if self.plan.band is not None:
            masks.append((key >= 0) & (key < visible.keys))
        if visible.causal:
            masks.append(key <= place)
        if visible.window is not None:
            masks.append(jnp.abs(key - place) <= visible.window)
        return masks

    def _dropped(self, weights, given, segment, block):
        """Weights of which those that dropout does not keep are zero; the others stay."""
        if given["seeds"] is None:
            return weights
        key = self._keys(self._start(block), segment.columns)
        return jnp.where(keep_mask(self._rows(given["seeds"], block), key, self.rate), weights, 0)


def _padded(x, margins):
    """Puts places before and after what stands along each axis of `margins`."""
    return None if x is None else jnp.pad(x, [margins.get(axis, (0, 0)) for axis in range(x.ndim)])


def _joined(parts):
    """`(heads, blocks * rows, any)` of the segments' `(blocks, heads, rows, any)`."""
    x = jnp.concatenate(parts, axis=0).swapaxes(0, 1)
    return x.reshape(x.shape[0], -1, x.shape[-1])


def _part(x, corner, size):
    """A part of x, whole along axes that have one number for all."""
    axes = [(0, 1) if n == 1 else (at, s) for n, at, s in zip(x.shape, corner, size, strict=True)]
    return lax.dynamic_slice(x, *zip(*axes, strict=True))


def _added(x, part, corner):
    """Raises a part of x, by the sum along axes that have one number for all; None stays None."""
    if x is None:
        return None
    for axis, (whole, own) in enumerate(zip(x.shape, part.shape, strict=True)):
        if whole == 1 < own:
            part = jnp.sum(part, axis=axis, keepdims=True)
    corner = [0 if n == 1 else at for n, at in zip(x.shape, corner, strict=True)]
    return lax.dynamic_update_slice(x, _part(x, corner, part.shape) + part, corner)
