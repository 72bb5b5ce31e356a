"""A bias of the scores, cut as a `Layout` says, and its gradient summed up, on TensorFlow."""

import tensorflow as tf
from keras import ops

from keras_attention.kernels.dot.tensorflow.for_each import for_each_index
from keras_attention.kernels.dot.tensorflow.slices import pad


class CutBias:
    """Finds what a bias adds to the scores of a block: a number of it may go for many of them.

    Args:
        bias: `(batch or 1, heads or 1, Tq or 1, Tk or 1)`.
        cut: The `Cut` of the queries and keys.
    """

    def __init__(self, bias, cut):
        self.cut, plan = cut, cut.plan
        self.batch, self.heads, *_ = ops.shape(bias)
        self.is_of_query, self.is_of_key = (size != 1 for size in bias.shape[2:])
        if self.is_of_query:
            bias = pad(bias, 2, 0, plan.blocks * plan.rows - cut.visible.queries)
        if self.is_of_key:
            bias = cut.with_margins(bias, 3)
        self.length = ops.shape(bias)[3]
        self.tables = tf.reshape(bias, (self.batch * self.heads, *ops.shape(bias)[2:]))

    def part(self, index, start, count):
        """What the scores of a block and of the keys from `start` on are raised by.

        Returns:
            `(rows or 1, count or 1)`.
        """
        plan, heads = self.cut.plan, self.cut.groups * self.cut.shared
        sequence, row = index // plan.blocks, index % plan.blocks * plan.rows
        table = sequence // heads % self.batch * self.heads + sequence % heads % self.heads
        row, rows = (row, plan.rows) if self.is_of_query else (0, 1)
        start, count = (start, count) if self.is_of_key else (0, 1)
        return tf.slice(self.tables, (table, row, start), (1, rows, count))[0]

    def gradient(self, of_scores, dtype):
        """The gradient with respect to the bias: for each number the sum over what it went for.

        Args:
            of_scores: Function of a segment, the number of a block among all and in its sequence,
                the first of its keys and how many, that gives their gradient `(rows, count)`.
            dtype: Its dtype.
        """
        plan, tables = self.cut.plan, self.batch * self.heads
        rows = plan.rows if self.is_of_query else 1
        # How often each table goes for another sequence: in the batch, and for heads.
        batches = self.cut.batch // self.batch
        times = batches * (self.cut.groups * self.cut.shared // self.heads)
        length = self.length if isinstance(self.length, int) else None
        sums = tf.TensorArray(dtype, tables * plan.blocks, element_shape=(rows, length))
        for segment in plan.segments:

            def of_block(t, sums, segment=segment):
                table, block = t // segment.count, segment.first + t % segment.count

                def add(i, total):
                    sequence = self._sequence(table, i // segment.pieces, batches)
                    first = i % segment.pieces * segment.width
                    index = sequence * plan.blocks + block
                    found = of_scores(segment, index, block, first, segment.width)
                    return (total + self._laid(found, self.cut.start(block) + first),)

                none = tf.zeros((rows, self.length), dtype)
                (total,) = for_each_index(times * segment.pieces, add, none, at_once=1)
                return (sums.write(table * plan.blocks + block, total),)

            (sums,) = for_each_index(tables * segment.count, of_block, sums)
        return self._joined(sums.stack())

    def _sequence(self, table, i, batches):
        """The i-th of the sequences of all heads that a table goes for."""
        # Of a table for each there is one sequence; a table for all has number 0.
        batch, head = table // self.heads + i % batches, table % self.heads + i // batches
        return batch * self.cut.groups * self.cut.shared + head

    def _laid(self, of_scores, start):
        """A gradient `(rows, count)` of the keys from `start` on, as a row of the table has it."""
        if not self.is_of_query:
            of_scores = tf.reduce_sum(of_scores, axis=0, keepdims=True)
        if not self.is_of_key:
            return tf.reduce_sum(of_scores, axis=1, keepdims=True)
        over = self.length - ops.shape(of_scores)[1]
        return tf.roll(pad(of_scores, 1, 0, over), start, axis=1)

    def _joined(self, sums):
        """The gradients of all blocks `(tables * blocks, rows, length)` as the bias is."""
        cut, size = self.cut, (self.batch, self.heads)
        if self.is_of_key:
            front = 0 if cut.plan.band is None else cut.plan.band.front
            sums = sums[:, :, front : front + cut.visible.keys]
        sums = tf.reshape(sums, (*size, -1, ops.shape(sums)[2]))
        if self.is_of_query:
            return sums[:, :, : cut.visible.queries]
        return tf.reduce_sum(sums, axis=2, keepdims=True)
