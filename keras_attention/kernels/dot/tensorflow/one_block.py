"""One block of queries against keys, on TensorFlow: read, and the way back."""

import tensorflow as tf

from keras_attention.normalize.masked import MASKED_SCORE


def attend_block(query, key, value, visible=None, kept=None, bias=None, by_norm=False):
    """What a block reads: score, mask, normalize, read.

    Args:
        query: `(..., rows, D)`, scaled.
        key: `(..., columns, D)`.
        value: `(..., columns, Dv)`.
        visible: Bool, broadcastable to `(..., rows, columns)`; None = all. A query that sees
            nothing reads anything: what it reads is for the caller to put away.
        kept: Bool, likewise: which weights dropout keeps; None = all.
        bias: What the scores are raised by, likewise; None = 0.
        by_norm: Whether to find the norm, which is faster under XLA; without a compiler the one
            operation is that makes weights of scores.

    Returns:
        Context `(..., rows, Dv)`, and the norm `(..., rows, 2)` that makes weights of scores: the
        highest, and the sum of the exponentials of what all are below it; zeros without `by_norm`.
    """
    scores = scores_of(query, key, visible, bias)
    if not by_norm:
        context = tf.matmul(dropped(tf.nn.softmax(scores), kept), value)
        return context, tf.zeros((*tf.unstack(tf.shape(query)[:-1]), 2), query.dtype)
    peak = tf.reduce_max(scores, axis=-1, keepdims=True)
    weights = tf.exp(scores - peak)
    total = tf.reduce_sum(weights, axis=-1, keepdims=True)
    # Divided is what was read: one pass over the block less.
    context = tf.matmul(dropped(weights, kept), value) / total
    return context, tf.concat([peak, total], axis=-1)


def differentiate_block(query, key, value, visible, kept, bias, context, upstream, norm=None):
    """Gradients of `attend_block` with respect to query, key and value, its weights made anew.

    Args:
        query, key, value, visible, kept, bias: As there.
        context: What `attend_block` returned.
        upstream: The gradient with respect to it; zero where a query sees nothing.
        norm: The norm of the weights, over these keys and any others; None = to be found.

    Returns:
        `(..., rows, D)`, and of keys and values upright: `(..., D, columns)`, `(..., Dv, columns)`.
    """
    weights = _weights(query, key, visible, bias, norm)
    of_scores = _of_scores(weights, value, kept, context, upstream)
    # Upright, as XLA takes three times as long for a product whose large factor is transposed; and
    # what is added up in a loop must stay so, or XLA turns the product around again.
    of_value = tf.matmul(upstream, dropped(weights, kept), transpose_a=True)
    of_key = tf.matmul(query, of_scores, transpose_a=True)
    return tf.matmul(of_scores, key), of_key, of_value


def differentiate_scores(query, key, value, visible, kept, bias, context, upstream, norm):
    """The gradient with respect to the scores `(..., rows, columns)`, of the same arguments."""
    weights = _weights(query, key, visible, bias, norm)
    return _of_scores(weights, value, kept, context, upstream)


def scores_of(query, key, visible, bias=None):
    """Scores `(..., rows, columns)`, the lowest where nothing is visible."""
    scores = tf.matmul(query, key, transpose_b=True)
    if bias is not None:
        scores = scores + bias
    if visible is None:
        return scores
    return tf.where(visible, scores, tf.constant(MASKED_SCORE, scores.dtype))


def dropped(weights, kept):
    """Weights of which those that dropout does not keep are zero."""
    return weights if kept is None else tf.where(kept, weights, tf.zeros((), weights.dtype))


def _weights(query, key, visible, bias, norm):
    scores = scores_of(query, key, visible, bias)
    if norm is None:
        return tf.nn.softmax(scores)
    # A sum is at least 1, but for the rows that fill up the last block, which have none.
    return tf.exp(scores - norm[..., :1]) * (1 / tf.maximum(norm[..., 1:], 1))


def _of_scores(weights, value, kept, context, upstream):
    of_weights = dropped(tf.matmul(upstream, value, transpose_b=True), kept)
    # sum_j weights_j of_weights_j, without reading the whole block once more.
    mean = tf.reduce_sum(upstream * context, axis=-1, keepdims=True)
    return weights * (of_weights - mean)
