"""Gumbel noise and the one-hot categorical distribution in Keras operations, for any backend."""

import keras
from keras import ops


def gumbel(shape, seed):
    """Draw standard Gumbel noise in float32: -log(-log u), u uniform."""
    uniform = keras.random.uniform(shape, minval=1e-30, dtype="float32", seed=seed)
    return -ops.log(-ops.log(uniform))


def log_probability(logits, one_hot):
    """Compute the log-probability of one-hot rows `(..., Tk)`; the last axis is reduced."""
    return ops.sum(ops.multiply(one_hot, _log_softmax(logits)), axis=-1)


def entropy(logits):
    """Compute the entropy in nats; the last axis is reduced."""
    log_probabilities = _log_softmax(logits)
    return -ops.sum(ops.multiply(ops.exp(log_probabilities), log_probabilities), axis=-1)


def _log_softmax(logits):
    return ops.subtract(logits, ops.logsumexp(logits, axis=-1, keepdims=True))
