"""Samples of a normal distribution, and their log-probability."""

import math

import keras
from keras import ops

from keras_attention.types import Tensor


def draw(mean: Tensor, deviation: float, noise: Tensor) -> Tensor:
    """Return `mean + deviation * noise`, a sample without a gradient to the mean.

    Args:
        mean: `(..., n)`.
        deviation: The standard deviation, a number above 0.
        noise: Standard normal noise `(..., n)`.
    """
    return ops.stop_gradient(ops.add(mean, ops.multiply(deviation, noise)))


def log_probability(mean: Tensor, deviation: float, drawn: Tensor) -> Tensor:
    """Return the log-density of samples of independent normal distributions, `(...,)`.

    TensorFlow Probability computes it on TensorFlow.

    Args:
        mean: `(..., n)`.
        deviation: The standard deviation, a number above 0.
        drawn: `(..., n)`, what `draw` returned.
    """
    if keras.backend.backend() == "tensorflow":
        from tensorflow_probability import distributions

        return ops.sum(distributions.Normal(mean, deviation).log_prob(drawn), axis=-1)
    squares = ops.square((drawn - mean) / deviation) / -2
    return ops.sum(squares - math.log(deviation * math.sqrt(2 * math.pi)), axis=-1)
