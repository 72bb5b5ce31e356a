"""The loops over heads and blocks of queries, on TensorFlow, and the way back through them."""

import tensorflow as tf

from keras_attention.kernels.block_attention import attend_block, differentiate_block
from keras_attention.kernels.cut import Cut


class Blocks(Cut):
    """Reads and differentiates with the weights of one block at a time."""

    def read(self, query, key, value):
        """Context `(batch, heads, Tq, Dv)` of `(batch, heads, Tq, D)` and keys and values."""
        query, keys, values = self.blocks(query), self.rows_of_keys(key), self.rows_of_keys(value)

        def of_head(head, read):
            for segment in self.plan.segments:

                def of_block(t, read, segment=segment):
                    index, block = self._place(segment, head, t)
                    context = attend_block(
                        query[index],
                        self.columns(keys[head], segment, block),
                        self.columns(values[head], segment, block),
                        self.sight(head, segment, block),
                        self.kept(index, segment, block),
                    )
                    return (read.write(index, context),)

                (read,) = _each(segment.count * self.shared, of_block, read)
            return (read,)

        read = tf.TensorArray(query.dtype, self.heads * self.count)
        (read,) = _each(self.heads, of_head, read)
        return self.joined(read.stack(), value.shape[-1])

    def differentiate(self, query, key, value, context, upstream):
        """Gradients with respect to query, key and value."""
        query, context, upstream = (self.blocks(x) for x in (query, context, upstream))
        keys, values = self.rows_of_keys(key), self.rows_of_keys(value)
        is_banded = self.plan.band is not None

        def of_head(head, of_query, of_key, of_value):
            sums = [tf.zeros_like(keys[head]), tf.zeros_like(values[head])]
            for segment in self.plan.segments:

                def of_block(t, of_query, of_key, of_value, segment=segment):
                    index, block = self._place(segment, head, t)
                    found = differentiate_block(
                        query[index],
                        self.columns(keys[head], segment, block),
                        self.columns(values[head], segment, block),
                        context[index],
                        upstream[index],
                        self.sight(head, segment, block),
                        self.kept(index, segment, block),
                    )
                    of_query = of_query.write(index, found[0])
                    if is_banded:
                        return (
                            of_query,
                            of_key.write(index, found[1]),
                            of_value.write(index, found[2]),
                        )
                    return of_query, of_key + found[1], of_value + found[2]

                count = segment.count * self.shared
                if is_banded:
                    return _each(count, of_block, of_query, of_key, of_value)
                parts = [tf.zeros((segment.columns, x.shape[-1]), x.dtype) for x in sums]
                of_query, *parts = _each(count, of_block, of_query, *parts)
                for i, part in enumerate(parts):
                    rest = tf.shape(sums[i])[0] - segment.columns
                    sums[i] += tf.pad(part, ((0, rest), (0, 0)))
            return of_query, of_key.write(head, sums[0]), of_value.write(head, sums[1])

        size = self.heads * self.count
        sizes = size, *(2 * [size if is_banded else self.heads])
        arrays = [tf.TensorArray(query.dtype, size) for size in sizes]
        found = [array.stack() for array in _each(self.heads, of_head, *arrays)]
        of_query = self.joined(found[0], query.shape[-1])
        if is_banded:
            found[1:] = [self.overlapped(x) for x in found[1:]]
        of_key, of_value = (
            tf.reshape(x, tf.shape(like)) for x, like in zip(found[1:], (key, value), strict=True)
        )
        return of_query, of_key, of_value

    def _place(self, segment, head, t):
        """Number of the t-th block of a head's segment, among all and in its sequence."""
        block = segment.first + t % segment.count
        return head * self.count + t // segment.count * self.plan.blocks + block, block


def _each(count, body, *state):
    """`state = body(i, *state)` for i below `count`; no loop where that is known to be one."""
    if isinstance(count, int) and count <= 1:
        return body(0, *state) if count else state
    return tf.while_loop(
        lambda i, *_: i < count,
        lambda i, *state: (i + 1, *body(i, *state)),
        (0, *state),
        maximum_iterations=count,
        parallel_iterations=2,
    )[1:]
