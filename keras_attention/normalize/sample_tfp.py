"""The same as in `sample_ops`, by TensorFlow Probability.

It is imported at the first draw, because that takes seconds which nobody else should wait for.
"""

from keras import ops


def gumbel(shape, seed):
    """Standard Gumbel noise of the shape, in float32."""
    from tensorflow_probability import distributions

    # Two integers make a stateless draw, the only kind that XLA has.
    return distributions.Gumbel(0.0, 1.0).sample(shape, seed=ops.cast(seed.next(), "int32"))


def log_probability(logits, chosen):
    """Of one-hot rows `chosen` `(..., Tk)`; the last axis is summed away."""
    return _distribution(logits).log_prob(chosen)


def entropy(logits):
    """In nats; the last axis is summed away."""
    return _distribution(logits).entropy()


def _distribution(logits):
    from tensorflow_probability import distributions

    return distributions.OneHotCategorical(logits=logits)
