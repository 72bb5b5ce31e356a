"""Gumbel and one-hot categorical distributions in Keras operations, on whichever backend."""

import keras
from keras import ops


def gumbel(shape, seed):
    """Standard Gumbel noise of the shape, in float32: -log(-log u)."""
    uniform = keras.random.uniform(shape, minval=1e-30, dtype="float32", seed=seed)
    return -ops.log(-ops.log(uniform))


def log_probability(logits, chosen):
    """Of one-hot rows `chosen` `(..., Tk)`; the last axis is summed away."""
    return ops.sum(ops.multiply(chosen, _normalized(logits)), axis=-1)


def entropy(logits):
    """In nats; the last axis is summed away."""
    normalized = _normalized(logits)
    return -ops.sum(ops.multiply(ops.exp(normalized), normalized), axis=-1)


def _normalized(logits):
    return ops.subtract(logits, ops.logsumexp(logits, axis=-1, keepdims=True))
