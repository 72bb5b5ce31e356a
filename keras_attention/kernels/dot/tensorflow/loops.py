"""The loops over heads, blocks of queries and pieces of keys, on TensorFlow, and the way back."""

import tensorflow as tf

from keras_attention.kernels.dot.tensorflow.for_each import for_each_index
from keras_attention.kernels.dot.tensorflow.key_chunks import attend_pieces, differentiate_pieces
from keras_attention.kernels.dot.tensorflow.one_block import attend_block, differentiate_block
from keras_attention.kernels.dot.tensorflow.slices import BlockSlicer


class Blocks(BlockSlicer):
    """Reads and differentiates with the weights of one block at a time."""

    def read(self, query, key, value):
        """Context `(batch, heads, Tq, Dv)` of `(batch, heads, Tq, D)` and keys and values.

        Returns:
            The context, and the norm of the weights `(batch, heads, Tq, 2)`.
        """
        query, keys, values = self.blocks(query), self.rows_of_keys(key), self.rows_of_keys(value)

        def of_head(head, *read):
            for segment in self.plan.segments:

                def of_block(t, *read, segment=segment):
                    index, block = self._place(segment, head, t)
                    given = self._given(keys[head], values[head], head, segment, index, block)
                    found = self._by_pieces(
                        segment,
                        lambda: attend_block(
                            query[index], *given(0, segment.columns), self.by_norm
                        ),
                        lambda *pieces: attend_pieces(*pieces, query[index], value.shape[-1]),
                        given,
                    )
                    return tuple(r.write(index, x) for r, x in zip(read, found, strict=True))

                read = for_each_index(segment.count * self.shared, of_block, *read)
            return read

        size, rows = self.heads * self.count, self.plan.rows
        read = [_array(query, size, rows, width) for width in (value.shape[-1], 2)]
        context, norm = (x.stack() for x in for_each_index(self.heads, of_head, *read))
        return self.joined(context, value.shape[-1]), self.joined(norm, 2)

    def differentiate(self, query, key, value, context, norm, upstream):
        """Gradients with respect to query, key and value."""
        query, context, norm, upstream = (self.blocks(x) for x in (query, context, norm, upstream))
        keys, values = self.rows_of_keys(key), self.rows_of_keys(value)
        is_banded = self.plan.band is not None
        widths = key.shape[-1], value.shape[-1]

        def of_head(head, of_query, *of_keys):
            length = tf.shape(keys)[1]
            sums = [tf.zeros((width, length), query.dtype) for width in widths]
            for segment in self.plan.segments:

                def of_block(t, of_query, *of_keys, segment=segment):
                    index, block = self._place(segment, head, t)
                    given = self._given(keys[head], values[head], head, segment, index, block)
                    asked, norms = query[index], norm[index]
                    read = context[index], upstream[index]
                    found = self._by_pieces(
                        segment,
                        lambda: differentiate_block(
                            asked,
                            *given(0, segment.columns),
                            *read,
                            norms if self.by_norm else None,
                        ),
                        lambda *pieces: differentiate_pieces(*pieces, asked, *read, norms),
                        given,
                    )
                    of_query = of_query.write(index, found[0])
                    pairs = zip(of_keys, found[1:], strict=True)
                    if is_banded:
                        return of_query, *(x.write(index, new) for x, new in pairs)
                    return of_query, *(x + new for x, new in pairs)

                count = segment.count * self.shared
                if is_banded:
                    return for_each_index(count, of_block, of_query, *of_keys)
                columns = segment.pieces * segment.width
                parts = [tf.zeros((width, columns), query.dtype) for width in widths]
                of_query, *parts = for_each_index(count, of_block, of_query, *parts)
                for i, part in enumerate(parts):
                    sums[i] += tf.pad(part, ((0, 0), (0, length - columns)))
            return of_query, *(x.write(head, new) for x, new in zip(of_keys, sums, strict=True))

        size = self.heads * self.count
        arrays = [_array(query, size, self.plan.rows, query.shape[-1])]
        for width in widths:
            if is_banded:
                (segment,) = self.plan.segments
                arrays.append(_array(query, size, width, segment.pieces * segment.width))
            else:
                arrays.append(_array(query, self.heads, width, keys.shape[1]))
        of_query, *of_keys = (
            array.stack() for array in for_each_index(self.heads, of_head, *arrays)
        )
        laid_back = self.overlapped if is_banded else self.without_margins
        of_key, of_value = (
            tf.reshape(laid_back(x), tf.shape(like))
            for x, like in zip(of_keys, (key, value), strict=True)
        )
        return self.joined(of_query, query.shape[-1]), of_key, of_value

    def bias(self, index, start, count):
        """What is added to a block's scores; here: nothing."""
        return None

    def _place(self, segment, head, t):
        """Number of the t-th block of a head's segment, among all and in its sequence."""
        block = segment.first + t % segment.count
        return head * self.count + t // segment.count * self.plan.blocks + block, block

    def _given(self, keys, values, head, segment, index, block):
        """A function of a first key and how many that gives what a block meets there."""
        start = self.start(block)

        def given(first, count, is_piece=False):
            first = start + first
            end = start + segment.columns if is_piece else None
            return (
                self.columns(keys, first, count),
                self.columns(values, first, count),
                self.sight(head, block, first, count, end),
                self.kept(index, first, count),
                self.bias(index, first, count),
            )

        return given

    def _by_pieces(self, segment, at_once, in_pieces, given):
        """Either of the two, as the keys of the block are few or many."""

        def pieces():
            return in_pieces(
                segment.pieces, lambda i: given(i * segment.width, segment.width, is_piece=True)
            )

        if isinstance(segment.pieces, int):
            return at_once() if segment.pieces == 1 else pieces()
        return tf.cond(segment.pieces <= 1, at_once, pieces)


def _array(like, size, *shape):
    """An array of `size` matrices, of which even none has a shape, as far as it is known."""
    shape = [x if isinstance(x, int) else None for x in shape]
    return tf.TensorArray(like.dtype, size, element_shape=shape)
