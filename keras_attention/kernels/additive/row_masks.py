"""The mask of a block of queries, built from a `StructuredMask`."""

from keras import ops

from keras_attention.mask import combine


class RowMasks:
    """A mask, split into the part that all queries share and the parts with a row per query.

    rows: Dict of the parts with a row per query, to be split into blocks like the queries:
    `positions` among the keys, int32 `(1, Tq, 1)`; `query_mask`, bool `(batch or 1, Tq, 1)`;
    `pairs`, bool `(batch or 1, Tq, Tk)`.

    Args:
        mask: A `StructuredMask`.
        outer: The batch axes before queries and keys, which are merged into one.
    """

    def __init__(self, mask, outer):
        self.mask, pairs, self.rows = mask, mask.pairs, {}
        keys = None if mask.key_mask is None else ops.expand_dims(mask.key_mask, -2)
        if pairs is not None and pairs.shape[-2] == 1:  # all queries share these pairs
            keys, pairs = combine(keys, pairs), None
        self.keys = None if keys is None else _merge_batch_axes(keys, outer, 1)
        if pairs is not None:
            self.rows["pairs"] = _merge_batch_axes(pairs, outer, mask.queries)
        if mask.query_mask is not None:
            query_mask = ops.expand_dims(mask.query_mask, -1)
            self.rows["query_mask"] = _merge_batch_axes(query_mask, outer, mask.queries)
        if mask.causal or mask.window is not None:
            positions = ops.arange(mask.queries, dtype="int32") + (mask.keys - mask.queries)
            self.rows["positions"] = positions[None, :, None]

    def build_block_mask(self, positions=None, query_mask=None, pairs=None):
        """Return a block's mask: bool, broadcastable to `(batch, rows, Tk)`; None = all visible.

        Args:
            positions, query_mask, pairs: The block's parts of `rows`.
        """
        order = None if positions is None else self.mask.order_mask(positions)
        return combine(self.keys, query_mask, pairs, order)


def _merge_batch_axes(mask, outer, rows):
    """Reshape a mask that broadcasts to `(*outer, rows, n)` to `(batch or 1, rows, n)`."""
    mask = ops.convert_to_tensor(mask)
    has_no_batch = all(size == 1 for size in mask.shape[:-2])
    columns = ops.shape(mask)[-1]
    mask = ops.broadcast_to(mask, (*(mask.shape[:-2] if has_no_batch else outer), rows, columns))
    return ops.reshape(mask, (-1, rows, columns))
