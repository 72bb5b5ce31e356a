"""Attention block by block on TensorFlow: no table of all weights, forward or backward."""

import tensorflow as tf

from keras_attention.kernels.block_attention import attend_block, differentiate_block
from keras_attention.kernels.block_layout import layout
from keras_attention.kernels.blocks import Blocks


def blockwise_attention(query, key, value, visible, seeds=None, rate=0.0, rows=None):
    """Context of each query, in time Tq * Tk (less under a causal mask or a window) but not memory.

    One block of weights is there at a time; the gradient makes it again.

    Args:
        query: `(batch, heads, Tq, D)`, scaled, float32 or float64.
        key: `(batch, groups, Tk, D)`, where groups divide heads.
        value: `(batch, groups, Tk, Dv)`.
        visible: A `Visible`. What a query reads that sees nothing is for the caller to put away.
        seeds: Int32 `(batch, heads, Tq)` of the dropout, or None.
        rate: Fraction of the weights to drop.
        rows: Queries of a block; None = by the sizes.

    Returns:
        `(batch, heads, Tq, Dv)`.
    """
    plan = layout(visible, rows)
    shared = query.shape[1] // key.shape[1]
    batch = query.shape[0] or tf.shape(query)[0]
    blocks = Blocks(plan, visible, (batch, key.shape[1], shared), seeds, rate)

    @tf.custom_gradient
    def attended(query, key, value):
        tensors = [blocks.cut(query), blocks.padded(key), blocks.padded(value)]
        read = _forward(blocks, *tensors)

        def gradient(upstream):
            of_query, *others = _backward(blocks, *tensors, read, blocks.cut(upstream))
            of_key, of_value = (
                tf.reshape(_unpadded(blocks, x), tf.shape(like))
                for x, like in zip(others, (key, value), strict=True)
            )
            return blocks.joined(of_query, query.shape[-1]), of_key, of_value

        return blocks.joined(read, value.shape[-1]), gradient

    return attended(query, key, value)


def _forward(blocks, query, key, value):
    """`(heads * blocks, rows, Dv)`."""

    def of_head(head, read):
        for segment in blocks.plan.segments:

            def of_block(t, read, segment=segment):
                index, block = _place(blocks, segment, head, t)
                context = attend_block(
                    query[index],
                    blocks.columns(key[head], segment, block),
                    blocks.columns(value[head], segment, block),
                    blocks.sight(head, segment, block),
                    blocks.factors(index, segment, block),
                )
                return (read.write(index, context),)

            (read,) = _each(segment.count * blocks.shared, of_block, read)
        return (read,)

    read = tf.TensorArray(query.dtype, blocks.heads * blocks.count)
    (read,) = _each(blocks.heads, of_head, read)
    return read.stack()


def _backward(blocks, query, key, value, context, upstream):
    """Gradients of the cut tensors; of keys and values as `_unpadded` takes them."""
    is_banded = blocks.plan.band is not None

    def of_head(head, of_query, of_key, of_value):
        sums = [tf.zeros_like(key[head]), tf.zeros_like(value[head])]
        for segment in blocks.plan.segments:

            def of_block(t, of_query, of_key, of_value, segment=segment):
                index, block = _place(blocks, segment, head, t)
                found = differentiate_block(
                    query[index],
                    blocks.columns(key[head], segment, block),
                    blocks.columns(value[head], segment, block),
                    context[index],
                    upstream[index],
                    blocks.sight(head, segment, block),
                    blocks.factors(index, segment, block),
                )
                of_query = of_query.write(index, found[0])
                if is_banded:
                    return of_query, of_key.write(index, found[1]), of_value.write(index, found[2])
                return of_query, of_key + found[1], of_value + found[2]

            count = segment.count * blocks.shared
            if is_banded:
                return _each(count, of_block, of_query, of_key, of_value)
            parts = [tf.zeros((segment.columns, x.shape[-1]), x.dtype) for x in sums]
            of_query, *parts = _each(count, of_block, of_query, *parts)
            for i, part in enumerate(parts):
                rest = tf.shape(sums[i])[0] - segment.columns
                sums[i] += tf.pad(part, ((0, rest), (0, 0)))
        return of_query, of_key.write(head, sums[0]), of_value.write(head, sums[1])

    of_all = blocks.heads * blocks.count
    sizes = of_all, *(2 * [of_all if is_banded else blocks.heads])
    arrays = [tf.TensorArray(query.dtype, size) for size in sizes]
    return [array.stack() for array in _each(blocks.heads, of_head, *arrays)]


def _place(blocks, segment, head, t):
    """Number of the t-th block of a head's segment, among all and in its sequence."""
    block = segment.first + t % segment.count
    return head * blocks.count + t // segment.count * blocks.plan.blocks + block, block


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


def _unpadded(blocks, x):
    """Gradients of a head's keys `(heads, Tk, width)`."""
    plan, keys = blocks.plan, blocks.visible.keys
    if plan.band is None:
        return x
    # Neighbouring bands overlap: cut each in pieces of `rows`, and add pieces of the same place.
    rows, width, (segment,) = plan.rows, x.shape[-1], plan.segments
    pieces = -(-segment.columns // rows)
    x = tf.pad(x, ((0, 0), (0, pieces * rows - segment.columns), (0, 0)))
    shape = (blocks.heads, blocks.shared, plan.blocks, pieces, rows, width)
    x = tf.reduce_sum(tf.reshape(x, shape), axis=1)
    x = sum(
        tf.pad(x[:, :, i], ((0, 0), (i, pieces - 1 - i), (0, 0), (0, 0))) for i in range(pieces)
    )
    x = tf.reshape(x, (blocks.heads, -1, width))
    x = tf.pad(x, ((0, 0), (plan.band.first, keys), (0, 0)))
    return tf.slice(x, (0, plan.band.front, 0), (blocks.heads, keys, width))
