"""Queries, keys and masks cut as a `Layout` says, on TensorFlow."""

import tensorflow as tf

from keras_attention.kernels.dot.tensorflow.overlap_add import overlap_add
from keras_attention.kernels.dropout import keep_mask


class BlockSlicer:
    """Cuts tensors, and finds the part of each that a block of queries is concerned with.

    Heads that share keys are one row of `heads`: its blocks are those of all of them.

    Args:
        plan: A `Layout`.
        visible: The `Visible` that it is of.
        shape: `(batch, groups, shared)`: groups of keys, and heads that share each of them.
        seeds: Int32 `(batch, groups * shared, Tq)` of the dropout, or None.
        rate: Fraction of the weights to drop.
        by_norm: As in `attend_block`.
    """

    def __init__(self, plan, visible, shape, seeds=None, rate=0.0, by_norm=False):
        self.plan, self.visible, self.rate, self.by_norm = plan, visible, rate, by_norm
        self.batch, self.groups, self.shared = shape
        self.heads = self.batch * self.groups
        self.count = self.shared * plan.blocks  # of one row of heads
        self.seeds = None if seeds is None else self.blocks(seeds)
        self.key_mask, self.pairs = self._masks()

    def blocks(self, x):
        """`(batch, heads, Tq, ...)` -> `(heads * blocks, rows, ...)`, the last block padded."""
        over = self.plan.blocks * self.plan.rows - self.visible.queries
        x = pad(x, 2, 0, over)
        return tf.reshape(x, (self.heads * self.count, self.plan.rows, *x.shape[3:]))

    def joined(self, blocks, width):
        """The way back, of a tensor `(heads * blocks, rows, width)`."""
        heads = self.groups * self.shared
        length = self.plan.blocks * self.plan.rows
        x = tf.reshape(blocks, (self.batch, heads, length, width))
        return x[:, :, : self.visible.queries]

    def rows_of_keys(self, x):
        """`(batch, groups, Tk, width)` -> `(heads, front + Tk + back + over, width)`."""
        x = self.with_margins(x, 2)
        return tf.reshape(x, (self.heads, x.shape[2] or tf.shape(x)[2], x.shape[-1]))

    def without_margins(self, x):
        """Gradients of the keys `(heads, width, Tk + over)` as they stand in `rows_of_keys`."""
        return tf.transpose(x[:, :, : self.visible.keys], (0, 2, 1))

    def overlap_add(self, x):
        """Gradients of the keys `(bands, width, columns)`, summed over the bands they stand in."""
        return overlap_add(x, self.plan, self.heads, self.shared, self.visible.keys)

    def start(self, block):
        """The first key that a block meets, counted with those that keys are padded with."""
        return 0 if self.plan.band is None else self.plan.band.first + block * self.plan.rows

    def columns(self, x, start, count):
        """The keys `(count, width)` from `start` on, of one head's `(Tk, width)`."""
        if _is_zero(start, self.plan.over) and count is self.visible.keys:
            return x
        return tf.slice(x, (start, 0), (count, x.shape[-1]))

    def sight(self, head, block, start, count, end=None):
        """What a block's queries see of the keys from `start` on.

        Returns:
            Bool, broadcastable to `(rows, count)`, False from the key `end` on; None = all.
        """
        row, masks = block * self.plan.rows, []
        batch = head // self.groups
        key = tf.range(count)[None, :] + start
        if end is not None:
            masks.append(key < end)
        if self.key_mask is not None:
            mask = self.key_mask[batch % tf.shape(self.key_mask)[0]]
            masks.append(tf.slice(mask, (start,), (count,))[None])
        if self.pairs is not None:
            mask = self.pairs[batch % tf.shape(self.pairs)[0]]
            masks.append(tf.slice(mask, (row, start), (self.plan.rows, count)))
        if self.visible.causal or self.visible.window is not None:
            offset = self.visible.keys - self.visible.queries
            place = tf.range(self.plan.rows)[:, None] + (row + offset)
            key = self._number(key)
            if self.visible.causal:
                masks.append(key <= place)
            if self.visible.window is not None:
                masks.append(key >= place - self.visible.window)
                if not self.visible.causal:
                    masks.append(key <= place + self.visible.window)
        sight = None
        for mask in masks:
            sight = mask if sight is None else tf.logical_and(sight, mask)
        return sight

    def keep_mask(self, index, start, count):
        """Bool `(rows, count)`: which of a block's weights dropout keeps; None = all."""
        if self.seeds is None:
            return None
        return keep_mask(self.seeds[index], self._number(tf.range(count) + start), self.rate)

    def _number(self, key):
        """Which key it is, without those that keys are padded with in front."""
        return key if self.plan.band is None else key - self.plan.band.front

    def with_margins(self, x, axis):
        """What stands along the keys' axis, with those places around it that a block may meet."""
        front, back = (0, 0) if self.plan.band is None else self.plan.band[:2]
        return pad(x, axis, front, back + self.plan.over)

    def _masks(self):
        """Key mask `(batch or 1, Tk)` and pairs `(batch or 1, Tq, Tk)`, padded, each or None."""
        plan, visible, pairs = self.plan, self.visible, self.visible.pairs
        key_mask = visible.key_mask
        if pairs is not None:
            pairs = tf.convert_to_tensor(pairs)
            while len(pairs.shape) < 3:
                pairs = pairs[None]
            if pairs.shape[1] == 1:  # the same keys for all queries
                of_keys = tf.broadcast_to(pairs[:, 0], (tf.shape(pairs)[0], visible.keys))
                key_mask = of_keys if key_mask is None else tf.logical_and(key_mask, of_keys)
                pairs = None
        if key_mask is None and plan.band is not None:
            key_mask = tf.ones((1, visible.keys), "bool")
        if key_mask is not None:
            key_mask = self.with_margins(tf.convert_to_tensor(key_mask), 1)
        if pairs is not None:
            shape = (tf.shape(pairs)[0], visible.queries, visible.keys)
            pairs = self.with_margins(tf.broadcast_to(pairs, shape), 2)
            pairs = pad(pairs, 1, 0, plan.blocks * plan.rows - visible.queries)
        return key_mask, pairs


def pad(x, axis, front, back):
    """Zeros, or False, before and after what stands along an axis."""
    if _is_zero(front, back):
        return x
    padding = [(0, 0)] * len(x.shape)
    padding[axis] = (front, back)
    return tf.pad(x, padding)


def _is_zero(*sizes):
    return all(isinstance(size, int) and size == 0 for size in sizes)
