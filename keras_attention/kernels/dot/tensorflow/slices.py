"""Division of queries, keys, masks and biases into the blocks of a `Layout`, on TensorFlow."""

from typing import Any, NamedTuple

import tensorflow as tf

from keras_attention.kernels.dot.block_layout import choose
from keras_attention.mask import combine


class Block(NamedTuple):
    """Position of one block of scores.

    index: index among all blocks; group: index of its first group in the batch; corner: its first
    `(sequence, head, query, key)`, counted with padding; size: the number of each.
    """

    index: Any
    group: Any
    corner: tuple
    size: tuple


class BlockSlicer:
    """Pads tensors to whole blocks, and slices the part that belongs to one block.

    A group is the heads that share keys and values. A block holds one head of one sequence, or all
    heads of all sequences.

    Args:
        layout: A `Layout`.
        visible: Its `StructuredMask`.
        heads: `(batch, groups, shared)`: sequences, groups of each, and heads of a group.
        is_short: Whether the layout's only block holds all heads, a bool or a scalar tensor.
    """

    def __init__(self, layout, visible, heads, is_short):
        self.layout, self.visible, self.is_short = layout, visible, is_short
        self.batch, self.groups, self.shared = heads
        # Sequences of a block, groups of each and heads of a group.
        self.block_heads = [choose(is_short, size, 1) for size in heads]
        self.block_groups = self.block_heads[0] * self.block_heads[1]
        # Groups of the batch, and heads of a group, that the loops visit one after the other.
        self.group_count = choose(is_short, 1, self.batch * self.groups)
        self.shared_count = choose(is_short, 1, self.shared)
        self.count = self.group_count * self.shared_count * layout.blocks
        self.query_margins = 0, layout.blocks * layout.rows - visible.queries
        self.key_margins = (0, 0) if layout.band is None else layout.band[:2]

    def find_block(self, segment, group, i):
        """Return the i-th `Block` of a segment, among the blocks of a group's heads."""
        shared, block = i // segment.count, segment.first + i % segment.count
        row, band = block * self.layout.rows, self.layout.band
        sequences, groups, heads = self.block_heads
        return Block(
            (group * self.shared_count + shared) * self.layout.blocks + block,
            group,
            (
                group // self.groups,
                group % self.groups * self.shared + shared,
                row,
                0 if band is None else band.first + row,
            ),
            (sequences, groups * heads, self.layout.rows, segment.columns),
        )

    def split_queries(self, x):
        """`(batch, heads, Tq, width)` -> `(blocks, groups, heads of a group * rows, width)`.

        The last axes are those of one block.
        """
        x = pad(x, {2: self.query_margins})
        rows = self.block_heads[2] * self.layout.rows
        return tf.reshape(x, (self.count, self.block_groups, rows, x.shape[3]))

    def merge_queries(self, x):
        """Reverse `split_queries`."""
        heads, length = self.groups * self.shared, self.layout.blocks * self.layout.rows
        x = tf.reshape(x, (self.batch, heads, length, x.shape[3]))
        return x if _is_zero(*self.query_margins) else x[:, :, : self.visible.queries]

    def pad_keys(self, x):
        """`(batch, groups, Tk, width)` -> `(batch * groups, front + Tk + back, width)`."""
        x = pad(x, {2: self.key_margins})
        return tf.reshape(x, (self.batch * self.groups, x.shape[2] or tf.shape(x)[2], x.shape[3]))

    def slice_keys(self, x, block):
        """Slice `(groups, columns, width)` of `pad_keys`."""
        size = self.block_groups, block.size[3], x.shape[2]
        return tf.slice(x, (block.group, block.corner[3], 0), size)

    def merge_keys(self, x):
        """Sum gradients `(..., groups, width, columns)`: `(batch, groups, Tk, width)`.

        Without bands there is one for each group, with bands one for each block.
        """
        width, columns = x.shape[2], self.layout.segments[0].columns
        if self.layout.band is not None:
            shape = self.shared_count, self.layout.blocks, width, columns
            x = tf.reshape(x, (self.batch * self.groups, *shape))
            x = tf.reduce_sum(x, axis=1)
            x = tf.signal.overlap_and_add(tf.transpose(x, (0, 2, 1, 3)), self.layout.rows)
            x = tf.pad(x, ((0, 0), (0, 0), (self.layout.band.first, self.visible.keys)))
            front = self.layout.band.front
            x = x[..., front : front + self.visible.keys]
        x = tf.reshape(x, (self.batch, self.groups, width, self.visible.keys))
        return tf.linalg.matrix_transpose(x)

    def pad_scores(self, x):
        """Pad a mask or a bias `(batch or 1, heads or 1, Tq or 1, Tk or 1)`."""
        margins = {2: self.query_margins, 3: self.key_margins}
        return pad(x, {axis: margins[axis] for axis in margins if x.shape[axis] != 1})

    def fit_block(self, x, block):
        """Return the block's corner and size in `pad_scores`, whose axes of size 1 stay whole."""
        corner, size = list(block.corner), list(block.size)
        if x.shape[0] is None:  # The graph learns only at run time whether it is 1.
            batch = tf.shape(x)[0]
            corner[0], size[0] = corner[0] % batch, tf.minimum(size[0], batch)
        for axis, length in enumerate(x.shape):
            if length == 1:
                corner[axis], size[axis] = 0, 1
        return corner, size

    def slice_scores(self, x, block):
        """Slice the part of `pad_scores` that broadcasts to the block's scores."""
        return tf.slice(x, *self.fit_block(x, block))

    def position_keys(self, block):
        """Return the positions `(columns,)` of the keys; padding lies outside of the sequence."""
        return tf.range(block.size[3]) + (block.corner[3] - self.key_margins[0])

    def build_position_mask(self, block):
        """Build the mask of the causal mask, the window and the bands' padding.

        Returns:
            Bool, broadcastable to `(rows, columns)`; or None.
        """
        visible, masks, key = self.visible, [], self.position_keys(block)
        row = block.corner[2] + (visible.keys - visible.queries)
        query = tf.range(block.size[2])[:, None] + row
        if self.layout.band is not None:
            masks.append((key >= 0) & (key < visible.keys))
        if visible.causal:
            masks.append(key <= query)
        if visible.window is not None:
            masks.append(key >= query - visible.window)
            if not visible.causal:
                masks.append(key <= query + visible.window)
        return combine(*masks)


def pad(x, margins):
    """Pad with zeros by the `(front, back)` of each axis in `margins`."""
    if _is_zero(*(size for pair in margins.values() for size in pair)):
        return x
    return tf.pad(x, [margins.get(axis, (0, 0)) for axis in range(len(x.shape))])


def _is_zero(*sizes):
    return all(isinstance(size, int) and size == 0 for size in sizes)
