"""A mask given by its parts (padding, causal, window) instead of a dense (Tq, Tk) array."""

import dataclasses

from keras import ops

from keras_attention.mask.any_true import has_any, has_any_within
from keras_attention.mask.bool_mask import prepare_pair_mask
from keras_attention.mask.combine import combine
from keras_attention.mask.hide import hide
from keras_attention.mask.padding import padding
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
    >>> np.asarray(mask.query_has_visible_key()).astype(int)
    array([[0, 1, 1]])
    >>> np.asarray(mask.key_is_visible()).astype(int)
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
        order = None
        if self.causal or self.window is not None:
            order = self.order_mask(ops.expand_dims(self._query_positions(), -1))
        if self.query_mask is None and self.key_mask is None and self.pairs is None:
            return order
        return combine(padding(self.query_mask, self.key_mask), self.pairs, order)

    def order_mask(self, positions: Tensor) -> Tensor | None:
        """Return the causal and window masks of some queries, combined.

        Args:
            positions: Int32 `(..., 1)`, the queries' positions on the axis of keys, aligned to the
                lower right: the last query of a call has the position of the last key.

        Returns:
            Bool `(..., Tk)`; None if there is neither a causal mask nor a window.
        """
        if not self.causal and self.window is None:
            return None
        column = ops.arange(self.keys, dtype="int32")
        mask = column <= positions if self.causal else None
        if self.window is None:
            return mask
        return combine(mask, ops.abs(column - positions) <= self.window)

    def _query_positions(self):
        positions = ops.arange(self.queries, dtype="int32")
        return positions if self.queries is self.keys else positions + (self.keys - self.queries)

    def query_has_visible_key(self) -> Tensor | None:
        """Return for each query whether any key is visible to it.

        Bool, broadcastable to `(batch, Tq)`; None = every query has a visible key. Computed without
        the dense mask unless `pairs` is given.
        """
        if self.pairs is not None:
            return ops.any(self.dense(), axis=-1)
        if self._is_self_attention():
            return self.query_mask  # The key at each query's own position is visible to it.
        is_ordered = self.causal or self.window is not None
        if self.key_mask is None and (not is_ordered or _is_at_most(self.queries, self.keys)):
            return self.query_mask  # The key at each query's own position is visible to it.
        if not is_ordered:
            return combine(self.query_mask, has_any(self.key_mask))
        position = self._query_positions()
        first = None if self.window is None else position - self.window
        last = position if self.causal else position + self.window
        return combine(self.query_mask, has_any_within(self.key_mask, first, last, self.keys))

    def key_is_visible(self) -> Tensor | None:
        """Return for each key whether it is visible to any query.

        Bool, broadcastable to `(batch, Tk)`; None = every key is visible. Computed without the
        dense mask unless `pairs` is given.
        """
        if self.pairs is not None:
            return ops.any(self.dense(), axis=-2)
        if self._is_self_attention():
            return self.key_mask
        is_ordered = self.causal or self.window is not None
        if self.query_mask is None:
            # Without a window the last query attends to all keys; with one, each key is visible to
            # the query of its own position.
            min_queries = self.keys if self.window is not None else 1
            if not is_ordered or _is_at_most(min_queries, self.queries):
                return self.key_mask
        if not is_ordered:
            return combine(self.key_mask, has_any(self.query_mask))
        position = ops.arange(self.keys, dtype="int32") - (self.keys - self.queries)
        first = position if self.causal else position - self.window
        last = None if self.window is None else position + self.window
        return combine(self.key_mask, has_any_within(self.query_mask, first, last, self.queries))

    def _is_self_attention(self):
        """Return whether queries and keys are the same positions, with one mask."""
        return self.queries is self.keys and self.query_mask is self.key_mask

    def zero_masked_keys(self, x: Tensor) -> Tensor:
        """Return `x`, `(batch, ..., Tk, D)`, with zeros for the keys that no query may attend to.

        Keys and values are zeroed before they are projected, so that NaN or infinity in them cannot
        reach any result.
        """
        visible = self.key_is_visible()
        return x if visible is None else hide(x, visible)

    def zero_masked_queries(self, x: Tensor, is_single: bool = False) -> Tensor:
        """Return `x`, `(batch, ..., Tq, D)`, with zeros for the queries without a visible key.

        Args:
            x: Queries, or outputs; `(batch, ..., D)` if `is_single`.
            is_single: Whether `x` is one query per sequence, without an axis of queries.
        """
        visible = self.query_has_visible_key()
        if visible is None:
            return x
        return hide(x, visible[..., 0] if is_single else visible)


def build_structured_mask(
    query: Tensor,
    key: Tensor,
    query_mask: Tensor | None = None,
    key_mask: Tensor | None = None,
    attention_mask: Tensor | None = None,
    use_causal_mask: bool = False,
) -> StructuredMask:
    """Return the masks of a query/value layer's call as a `StructuredMask`.

    Args:
        query: `(batch, ..., Tq, Dq)`, or one rank less than the key for a single query.
        key: `(batch, ..., Tk, Dk)`.
        query_mask: Bool `(batch, ..., Tq)`, `(batch, ...)` for a single query, or None; like the
            key mask, already checked.
        key_mask: Bool `(batch, ..., Tk)`, a mask of all pairs `(batch, ..., Tq, Tk)`, or None.
        attention_mask: As in `prepare_pair_mask`, or None.
        use_causal_mask: Whether to add a causal mask, aligned to the lower right.

    Raises:
        ValueError: If the attention mask is not a mask, or its shape does not fit query and key.
    """
    pairs = None
    if attention_mask is not None:
        pairs = prepare_pair_mask("attention_mask", attention_mask, query, key)
    if key_mask is not None and len(key_mask.shape) == len(key.shape):
        pairs, key_mask = combine(key_mask, pairs), None
    is_single = len(query.shape) < len(key.shape)
    if is_single and query_mask is not None:
        query_mask = ops.expand_dims(query_mask, -1)
    sizes = count_positions(query, key, is_single=is_single)
    return StructuredMask(*sizes, query_mask, key_mask, pairs, use_causal_mask)


def count_positions(
    query: Tensor,
    keys: Tensor,
    mask: StructuredMask | Tensor | None = None,
    is_single: bool = False,
) -> tuple[int | Tensor, int | Tensor]:
    """Return the numbers of queries and of keys.

    Args:
        query: `(batch, ..., Tq, D)`, or `(batch, ..., D)` if `is_single`.
        keys: `(batch, ..., Tk, D)`.
        mask: As in `as_structured_mask`. A `StructuredMask` knows the numbers: in a graph, the same
            tensor twice if they are equal, which a kernel could not know of two tensors.
        is_single: Whether there is one query per sequence, without an axis of queries.
    """
    if isinstance(mask, StructuredMask):
        return mask.queries, mask.keys
    key_count = ops.shape(keys)[-2]
    return 1 if is_single else key_count if query is keys else ops.shape(query)[-2], key_count


def as_structured_mask(
    mask: StructuredMask | Tensor | None, queries: int | Tensor, keys: int | Tensor
) -> StructuredMask:
    """Return `mask` as a `StructuredMask`; it may be one already, a dense mask, or None."""
    return mask if isinstance(mask, StructuredMask) else StructuredMask(queries, keys, pairs=mask)


def fit_structured_mask(
    mask: StructuredMask | Tensor | None, query: Tensor, keys: Tensor, is_single: bool = False
) -> StructuredMask:
    """Return `mask` as a `StructuredMask` of these queries and keys; see `count_positions`."""
    return as_structured_mask(mask, *count_positions(query, keys, mask, is_single))


def zero_masked_keys(x: Tensor, mask: StructuredMask | Tensor | None) -> Tensor:
    """Zero the keys that no query may attend to; the mask is as in `as_structured_mask`."""
    if mask is None:
        return x
    if not isinstance(mask, StructuredMask):
        mask = StructuredMask(None, ops.shape(x)[-2], pairs=mask)
    return mask.zero_masked_keys(x)


def _is_at_most(a, b):
    """Return True if `a <= b` is known before run time."""
    return a is b or isinstance(a, int) and isinstance(b, int) and a <= b
