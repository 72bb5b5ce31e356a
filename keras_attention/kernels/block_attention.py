"""One block of queries against the keys it meets, on TensorFlow: read, and the way back."""

import tensorflow as tf

from keras_attention.normalize.masked import LOWEST


def attend_block(query, key, value, visible=None, kept=None):
    """What a block reads: score, mask, normalize, read.

    Args:
        query: `(..., rows, D)`, scaled.
        key: `(..., columns, D)`.
        value: `(..., columns, Dv)`.
        visible: Bool, broadcastable to `(..., rows, columns)`; None = all. A query that sees
            nothing reads anything: what it reads is for the caller to put away.
        kept: Bool, likewise: which weights dropout keeps; None = all.

    Returns:
        Context `(..., rows, Dv)`.
    """
    return tf.matmul(_dropped(_weights(query, key, visible), kept), value)


def differentiate_block(query, key, value, context, upstream, visible=None, kept=None):
    """Gradients of `attend_block` with respect to query, key and value, its weights made anew.

    Args:
        context: What `attend_block` returned.
        upstream: The gradient with respect to it; zero where a query sees nothing.
    """
    weights = _weights(query, key, visible)
    of_value = tf.matmul(_dropped(weights, kept), upstream, transpose_a=True)
    of_weights = _dropped(tf.matmul(upstream, value, transpose_b=True), kept)
    # sum_j weights_j of_weights_j, without reading the whole block once more.
    mean = tf.reduce_sum(upstream * context, axis=-1, keepdims=True)
    of_scores = weights * (of_weights - mean)
    of_query = tf.matmul(of_scores, key)
    return of_query, tf.matmul(of_scores, query, transpose_a=True), of_value


def _weights(query, key, visible):
    scores = tf.matmul(query, key, transpose_b=True)
    if visible is not None:
        scores = tf.where(visible, scores, tf.constant(LOWEST, scores.dtype))
    return tf.nn.softmax(scores)


def _dropped(weights, kept):
    return weights if kept is None else tf.where(kept, weights, tf.zeros((), weights.dtype))
