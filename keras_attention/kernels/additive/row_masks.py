"""What some of the queries may see, joined for them alone from the parts of a `Visible`."""

from keras import ops

from keras_attention.mask import combine


class RowMasks:
    """Keeps apart what goes for all queries and what each of them has.

    rows: dict of what each query has, to be cut along with the queries: its `place` among the keys
    `(1, Tq, 1)`, whether it `asks` at all and its `pairs`, bool `(batch or 1, Tq, any)`.

    Args:
        visible: A `Visible`.
        outer: The dimensions before queries and keys, which become one.
    """

    def __init__(self, visible, outer):
        self.visible, pairs, self.rows = visible, visible.pairs, {}
        keys = None if visible.key_mask is None else ops.expand_dims(visible.key_mask, -2)
        if pairs is not None and pairs.shape[-2] == 1:  # the same keys for all queries
            keys, pairs = combine(keys, pairs), None
        self.keys = None if keys is None else _flat(keys, outer, 1)
        if pairs is not None:
            self.rows["pairs"] = _flat(pairs, outer, visible.queries)
        if visible.query_mask is not None:
            asks = ops.expand_dims(visible.query_mask, -1)
            self.rows["asks"] = _flat(asks, outer, visible.queries)
        if visible.causal or visible.window is not None:
            place = ops.arange(visible.queries, dtype="int32") + (visible.keys - visible.queries)
            self.rows["place"] = place[None, :, None]

    def of_block(self, place=None, asks=None, pairs=None):
        """Bool, broadcastable to `(batch, queries of a block, Tk)`, or None = all.

        Args:
            place, asks, pairs: What `rows` has of these queries.
        """
        mask = combine(self.keys, asks, pairs)
        if place is None:
            return mask
        column = ops.arange(self.visible.keys, dtype="int32")
        if self.visible.causal:
            mask = combine(mask, column <= place)
        if self.visible.window is not None:
            mask = combine(mask, ops.abs(column - place) <= self.visible.window)
        return mask


def _flat(mask, outer, rows):
    """`(batch or 1, rows, any)` of what is broadcastable to `(*outer, rows, any)`."""
    mask = ops.convert_to_tensor(mask)
    is_of_all = all(size == 1 for size in mask.shape[:-2])
    columns = ops.shape(mask)[-1]
    mask = ops.broadcast_to(mask, (*(mask.shape[:-2] if is_of_all else outer), rows, columns))
    return ops.reshape(mask, (-1, rows, columns))
