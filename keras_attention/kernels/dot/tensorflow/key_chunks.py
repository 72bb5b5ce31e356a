"""One block of queries against more keys than one block has, on TensorFlow: piece by piece.

The online softmax: what was read so far is kept with the norm of its weights, and shrinks whenever
a higher score turns up.
"""

import tensorflow as tf

from keras_attention.kernels.dot.tensorflow.for_each import for_each_index
from keras_attention.kernels.dot.tensorflow.one_block import differentiate_block, dropped, scores_of
from keras_attention.normalize.masked import MASKED_SCORE


def attend_pieces(count, piece, query, width):
    """What a block reads of all pieces, as `attend_block` returns it.

    Args:
        count: How many pieces, an int or a scalar tensor.
        piece: Function of a piece's number that gives its `key, value, visible, kept, bias`,
            as `attend_block` takes them, equally many keys each time.
        query: `(rows, D)`, scaled.
        width: Width Dv of the values.
    """

    def step(i, context, peak, total):
        key, value, visible, kept, bias = piece(i)
        scores = scores_of(query, key, visible, bias)
        highest = tf.maximum(peak, tf.reduce_max(scores, axis=-1, keepdims=True))
        shrunk = tf.exp(peak - highest)
        weights = tf.exp(scores - highest)
        context = context * shrunk + tf.matmul(dropped(weights, kept), value)
        total = total * shrunk + tf.reduce_sum(weights, axis=-1, keepdims=True)
        return context, highest, total

    # Starting as if a key that is hidden had been met: one that is not makes it vanish.
    none = tf.zeros_like(query[:, :1])
    start = tf.zeros((query.shape[0], width), query.dtype), none + MASKED_SCORE, none
    context, peak, total = for_each_index(count, step, *start, at_once=1)
    return context / total, tf.concat([peak, total], axis=-1)


def differentiate_pieces(count, piece, query, context, upstream, norm):
    """Gradients as `differentiate_block` returns them, those of keys and values of all pieces.

    Args:
        count, piece, query: As in `attend_pieces`.
        context, norm: What that returned.
        upstream: The gradient with respect to the context; zero where a query sees nothing.
    """

    def step(i, of_query, of_key, of_value):
        found = differentiate_block(query, *piece(i), context, upstream, norm)
        return of_query + found[0], of_key.write(i, found[1]), of_value.write(i, found[2])

    arrays = [tf.TensorArray(query.dtype, count) for _ in range(2)]
    of_query, *others = for_each_index(count, step, tf.zeros_like(query), *arrays, at_once=1)
    widths = query.shape[-1], upstream.shape[-1]
    joined = (
        tf.reshape(tf.transpose(x.stack(), (1, 0, 2)), (width, -1))
        for x, width in zip(others, widths, strict=True)
    )
    return of_query, *joined
