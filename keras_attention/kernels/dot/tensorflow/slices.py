"""Division of queries, keys and gradients into the blocks of a `Layout`, on TensorFlow."""

import collections

import tensorflow as tf

from keras_attention.kernels.dot.block_layout import choose
from keras_attention.kernels.dot.tensorflow.for_each import create_array, create_sums

# The position of a block of scores: its index among all blocks, the index of its first group in the
# batch, its first `(sequence, head, query, key)` and the number of each. Padding is counted.
Block = collections.namedtuple("Block", ["index", "group", "corner", "size"])


class BlockSlicer:
    """Pads tensors to a multiple of the block size, slices blocks, and merges gradients.

    `heads` is `(batch, groups, shared)`; a group is the `shared` heads with the same keys. A block
    holds one head of one sequence; if `is_short`, the only block holds all heads of all sequences.
    """

    def __init__(self, layout, visible, heads, is_short):
        self.layout, self.visible, self.heads, self.is_short = layout, visible, heads, is_short
        batch, groups, shared = (choose(is_short, size, 1) for size in heads)
        self.block_heads, self.block_groups = (batch, groups * shared), batch * groups
        self.group_rows = shared * layout.rows
        # A single group has no axis: a 2D product is faster than a batched one with a batch of 1.
        self.group_axis = [] if is_short is False else [self.block_groups]
        self.group_count = choose(is_short, 1, heads[0] * heads[1])
        self.head_count = choose(is_short, 1, heads[0] * heads[1] * heads[2])
        self.count = self.head_count * layout.blocks
        self.query_margins = 0, layout.blocks * layout.rows - visible.queries
        self.key_margins = (0, 0) if layout.band is None else layout.band[:2]
        self.padded_keys = visible.keys + sum(self.key_margins)

    def find_block(self, segment, head, i):
        """Return the i-th `Block` of a segment and a head."""
        (_, groups, shared), band = self.heads, self.layout.band
        block = segment.first + i
        row = block * self.layout.rows
        start = 0 if band is None else band.first + row
        corner = head // (groups * shared), head % (groups * shared), row, start
        columns = segment.columns
        if segment.growth is not None:
            columns = tf.clip_by_value(columns + i * segment.growth, 1, self.visible.keys)
        size = *self.block_heads, self.layout.rows, columns
        return Block(head * self.layout.blocks + block, head // shared, corner, size)

    def split_queries(self, x):
        """`(batch, heads, Tq, width)` -> `(blocks, groups, rows, width)`."""
        x = pad(x, {2: self.query_margins})
        return tf.reshape(x, (self.count, *self.group_axis, self.group_rows, x.shape[3]))

    def merge_queries(self, x):
        """Reverse `split_queries`."""
        (batch, groups, shared), length = self.heads, self.layout.blocks * self.layout.rows
        x = tf.reshape(x, (batch, groups * shared, length, x.shape[-1]))
        return x[:, :, : self.visible.queries]

    def pad_keys(self, x):
        """`(batch, groups, Tk, width)` -> `(batch * groups * padded Tk, width)`."""
        # A slice of the first axis alone takes no copy.
        return tf.reshape(pad(x, {2: self.key_margins}), (-1, x.shape[3]))

    def slice_keys(self, x, block):
        """Slice `(groups, columns, width)` of `pad_keys`."""
        columns, width = block.size[3], x.shape[1]
        start = block.group * self.padded_keys + block.corner[3]
        x = tf.slice(x, (start, 0), (self.block_groups * columns, width))
        return tf.reshape(x, (*self.group_axis, columns, width))

    def create_key_sums(self, dtype, width):
        """Create the array of transposed gradients: one per block with bands, else per group."""
        if self.layout.band is None:
            return create_sums(dtype, self.group_count, *self.group_axis, width, self.visible.keys)
        columns = self.layout.segments[0].columns
        return create_array(dtype, self.count, *self.group_axis, width, columns)

    def add_keys(self, array, grad, block):
        """Add a block's transposed gradient `(groups, width, columns)`."""
        if self.layout.band is not None:
            return array.write(block.index, grad)
        margins = {len(grad.shape) - 1: (0, self.visible.keys - block.size[3])}
        return array.write(block.group, array.read(block.group) + pad(grad, margins))

    def merge_keys(self, x):
        """Merge the stacked array of `add_keys` into the gradient `(batch, groups, Tk, width)`."""
        (batch, groups, _), band, keys = self.heads, self.layout.band, self.visible.keys
        width = x.shape[-2]
        if band is not None:
            columns = self.layout.segments[0].columns
            shape = self.head_count // self.group_count, self.layout.blocks, width, columns
            x = tf.reduce_sum(tf.reshape(x, (batch * groups, *shape)), axis=1)
            x = tf.signal.overlap_and_add(tf.transpose(x, (0, 2, 1, 3)), self.layout.rows)
            x = tf.pad(x, ((0, 0), (0, 0), (band.first, keys)))
            x = x[:, :, band.front : band.front + keys]
        return tf.linalg.matrix_transpose(tf.reshape(x, (batch, groups, width, keys)))


def pad(x, margins):
    """Pad with zeros by the `(front, back)` of each axis in `margins`."""
    if all(isinstance(size, int) and size == 0 for pair in margins.values() for size in pair):
        return x
    return tf.pad(x, [margins.get(axis, (0, 0)) for axis in range(len(x.shape))])
