"""Which query may see which key, said without a table of all pairs."""

import dataclasses
from typing import Any

from keras import ops

from keras_attention.mask import causal, combine, padding, window


@dataclasses.dataclass(frozen=True)
class StructuredMask:
    """Masks of a call that are not yet joined: a kernel that works block by block joins parts.

    Args:
        queries, keys: Their numbers Tq and Tk, ints or scalar tensors.
        query_mask: Bool `(batch, Tq)`, True = a real query; or None.
        key_mask: Bool `(batch, Tk)`, True = a real key; or None.
        pairs: Bool, broadcastable to `(batch, Tq, Tk)` or None.
        causal: Whether a key may be seen from its own place on, aligned to the lower right.
        window: How far on either side a query may see, likewise aligned; None = everywhere.

    Example:
    >>> from keras_attention.mask.structured_mask import Visible
    >>> visible = Visible(3, 3, key_mask=np.array([[False, True, True]]), causal=True)
    >>> visible.dense().numpy().astype(int)
    array([[[0, 0, 0],
            [0, 1, 0],
            [0, 1, 1]]])
    >>> visible.query_has_visible_key().numpy().astype(int)
    array([[0, 1, 1]])
    >>> visible.key_is_visible().numpy().astype(int)
    array([[0, 1, 1]])
    """

    queries: Any
    keys: Any
    query_mask: Any = None
    key_mask: Any = None
    pairs: Any = None
    causal: bool = False
    window: int | None = None

    def dense(self):
        """The mask of pairs, bool and broadcastable to `(batch, Tq, Tk)`; None = all visible."""
        return combine(
            padding(self.query_mask, self.key_mask),
            self.pairs,
            causal(self.queries, self.keys) if self.causal else None,
            None if self.window is None else window(self.queries, self.keys, self.window),
        )

    def query_has_visible_key(self):
        """Which queries see any key: bool, broadcastable to `(batch, Tq)`; None = all of them."""
        if self.pairs is not None:
            return ops.any(self.dense(), axis=-1)
        if not self.causal and self.window is None:
            return combine(self.query_mask, _any(self.key_mask))
        place = ops.arange(self.queries, dtype="int32") + (self.keys - self.queries)
        first = None if self.window is None else place - self.window
        last = place if self.causal else place + self.window
        return combine(self.query_mask, _any_within(self.key_mask, first, last, self.keys))

    def key_is_visible(self):
        """Which keys are seen by any query: bool, broadcastable to `(batch, Tk)`; None = all."""
        if self.pairs is not None:
            return ops.any(self.dense(), axis=-2)
        if not self.causal and self.window is None:
            return combine(self.key_mask, _any(self.query_mask))
        place = ops.arange(self.keys, dtype="int32") - (self.keys - self.queries)
        first = place if self.causal else place - self.window
        last = None if self.window is None else place + self.window
        return combine(self.key_mask, _any_within(self.query_mask, first, last, self.queries))


def as_structured_mask(mask, queries, keys):
    """The `StructuredMask` that `mask` is, or that a mask of pairs or None stands for."""
    return mask if isinstance(mask, StructuredMask) else StructuredMask(queries, keys, pairs=mask)


def _any(mask):
    return None if mask is None else ops.any(mask, axis=-1, keepdims=True)


def _any_within(mask, first, last, count):
    """Whether any of `mask` (None = all true), of length `count`, is true from first to last.

    first, last: int `(any,)`, also beyond either end; None = the first or last of all.
    """
    first = ops.clip(ops.zeros_like(last) if first is None else first, 0, count)
    end = ops.clip(ops.full_like(first, count) if last is None else last + 1, 0, count)
    if mask is None:
        return ops.expand_dims(end > first, 0)
    # How many are true before each place: a difference of two says how many are between.
    margins = [*[(0, 0)] * (len(mask.shape) - 1), (1, 0)]
    before = ops.pad(ops.cumsum(ops.cast(mask, "int32"), axis=-1), margins)
    return ops.greater(ops.take(before, end, axis=-1), ops.take(before, first, axis=-1))
