"""Gumbel noise and the one-hot categorical distribution by TensorFlow Probability.

TensorFlow Probability takes seconds to import, so it is not imported before it is needed.
"""

from keras import ops


def gumbel(shape, seed):
    """Draw standard Gumbel noise in float32."""
    from tensorflow_probability import distributions

    # A seed of two integers selects stateless sampling, the only kind that XLA supports.
    return distributions.Gumbel(0.0, 1.0).sample(shape, seed=ops.cast(seed.next(), "int32"))


def log_probability(logits, one_hot):
    """Compute the log-probability of one-hot rows `(..., Tk)`; the last axis is reduced."""
    return _distribution(logits).log_prob(one_hot)


def entropy(logits):
    """Compute the entropy in nats; the last axis is reduced."""
    return _distribution(logits).entropy()


def _distribution(logits):
    from tensorflow_probability import distributions

    return distributions.OneHotCategorical(logits=logits)
