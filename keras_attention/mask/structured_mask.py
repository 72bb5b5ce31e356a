"""A mask given by its parts (padding, causal, window) instead of a dense (Tq, Tk) array."""

import dataclasses

from keras import ops

from keras_attention.mask import causal, combine, padding, window
from keras_attention.types import Tensor


@dataclasses.dataclass(frozen=True)
class StructuredMask:
    """The parts of a call's mask, not yet combined.

    A kernel that works block by block combines the parts for one block at a time, so that the
    dense mask is never built.

    Args:
        queries, keys: Numbers of queries Tq and of keys Tk, ints or scalar tensors.
        query_mask: Bool `(batch, Tq)`, True = a real query; or None.
        key_mask: Bool `(batch, Tk)`, True = a real key; or None.
        pairs: Bool, broadcastable to `(batch, Tq, Tk)`, True = visible; or None.
        causal: Whether keys after a query's own position are masked, aligned to the lower right.
        window: Number of keys that are visible on either side of a query's own position, aligned
            to the lower right; None = all keys.

    Example:
    >>> from keras_attention.mask.structured_mask import StructuredMask
    >>> mask = StructuredMask(3, 3, key_mask=np.array([[False, True, True]]), causal=True)
    >>> mask.dense().numpy().astype(int)
    array([[[0, 0, 0],
            [0, 1, 0],
            [0, 1, 1]]])
    >>> mask.query_has_visible_key().numpy().astype(int)
    array([[0, 1, 1]])
    >>> mask.key_is_visible().numpy().astype(int)
    array([[0, 1, 1]])
    """

    queries: int | Tensor
    keys: int | Tensor
    query_mask: Tensor | None = None
    key_mask: Tensor | None = None
    pairs: Tensor | None = None
    causal: bool = False
    window: int | None = None

    def dense(self) -> Tensor | None:
        """Return the mask of all pairs, bool, broadcastable to `(batch, Tq, Tk)`.

        None = everything is visible.
        """
        return combine(
            padding(self.query_mask, self.key_mask),
            self.pairs,
            causal(self.queries, self.keys) if self.causal else None,
            None if self.window is None else window(self.queries, self.keys, self.window),
        )

    def query_has_visible_key(self) -> Tensor | None:
        """Return for each query whether any key is visible to it.

        Bool, broadcastable to `(batch, Tq)`; None = every query has a visible key. Computed without
        the dense mask unless `pairs` is given.
        """
        if self.pairs is not None:
            return ops.any(self.dense(), axis=-1)
        if not self.causal and self.window is None:
            return combine(self.query_mask, _any(self.key_mask))
        position = ops.arange(self.queries, dtype="int32") + (self.keys - self.queries)
        first = None if self.window is None else position - self.window
        last = position if self.causal else position + self.window
        return combine(self.query_mask, _any_within(self.key_mask, first, last, self.keys))

    def key_is_visible(self) -> Tensor | None:
        """Return for each key whether it is visible to any query.

        Bool, broadcastable to `(batch, Tk)`; None = every key is visible. Computed without the
        dense mask unless `pairs` is given.
        """
        if self.pairs is not None:
            return ops.any(self.dense(), axis=-2)
        if not self.causal and self.window is None:
            return combine(self.key_mask, _any(self.query_mask))
        position = ops.arange(self.keys, dtype="int32") - (self.keys - self.queries)
        first = position if self.causal else position - self.window
        last = None if self.window is None else position + self.window
        return combine(self.key_mask, _any_within(self.query_mask, first, last, self.queries))


def as_structured_mask(
    mask: StructuredMask | Tensor | None, queries: int | Tensor, keys: int | Tensor
) -> StructuredMask:
    """Return `mask` as a `StructuredMask`; it may be one already, a dense mask, or None."""
    return mask if isinstance(mask, StructuredMask) else StructuredMask(queries, keys, pairs=mask)


def _any(mask):
    return None if mask is None else ops.any(mask, axis=-1, keepdims=True)


def _any_within(mask, first, last, count):
    """Return whether any entry of `mask` from index `first` to index `last`, inclusive, is True.

    Args:
        mask: Bool `(batch, count)`; None = all True.
        first, last: Int `(n,)`; indices beyond either end are clipped. None = from the first or to
            the last entry of the mask.
        count: Length of the mask, an int or a scalar tensor.
    """
    first = ops.clip(ops.zeros_like(last) if first is None else first, 0, count)
    end = ops.clip(ops.full_like(first, count) if last is None else last + 1, 0, count)
    if mask is None:
        return ops.expand_dims(end > first, 0)
    # The number of True entries before each index: the difference of two of them is the number of
    # True entries in between.
    paddings = [*[(0, 0)] * (len(mask.shape) - 1), (1, 0)]
    true_before = ops.pad(ops.cumsum(ops.cast(mask, "int32"), axis=-1), paddings)
    return ops.greater(ops.take(true_before, end, axis=-1), ops.take(true_before, first, axis=-1))
