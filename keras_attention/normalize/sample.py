"""Weights as a distribution over the keys: one key drawn of it, and what that draw has said.

The formulas are TensorFlow Probability's on TensorFlow (`sample_tfp`) and the same ones in Keras
operations elsewhere (`sample_ops`): TensorFlow Probability does not run on every JAX, nor on torch.
"""

import keras
from keras import ops

from keras_attention.normalize import sample_ops, sample_tfp
from keras_attention.normalize.hardmax import hardmax
from keras_attention.normalize.softmax import softmax

FORMULAS = sample_tfp if keras.backend.backend() == "tensorflow" else sample_ops
# A key less likely than this is never drawn, in any number of lifetimes: its logarithm may stop.
LEAST = 1e-30


def log(weights):
    """Held finite: at 0 it is that of 1e-30, without a gradient."""
    return ops.log(ops.maximum(weights, LEAST))


def gumbel(shape, seed):
    """Standard Gumbel noise in float32, to be drawn ahead of the weights.

    Args:
        shape: Tuple of ints or scalar tensors, the weights' shape.
        seed: A `keras.random.SeedGenerator`.
    """
    return FORMULAS.gumbel(shape, seed)


def sample(weights, noise):
    """A key of each row, key j with probability `weights[j]`: `argmax_j (log weights_j + g_j)`.

    That is an exact draw if g is Gumbel noise (Gumbel 1954), and needs no randomness of its own.

    Args:
        weights: `(batch, ..., Tq, Tk)`, rows that sum to 1, or to 0 where nothing may be seen.
        noise: What `gumbel` gave for the weights' shape.

    Returns:
        One-hot rows of the weights' shape, all zero where the weights are; without a gradient.

    Example:
    >>> weights, noise = np.array([[0.5, 0.3, 0.2]], "float32"), np.array([[0.1, 1.0, 0.2]])
    >>> keras_attention.normalize.sample.sample(weights, noise).numpy()
    array([[0., 1., 0.]], dtype=float32)
    """
    return ops.stop_gradient(hardmax(_noisy(weights, noise), mask=weights > 0))


def relaxed(weights, noise, temperature):
    """What `sample` would draw, softened: `softmax((log weights + g) / temperature)`.

    A draw of the Gumbel-softmax, or concrete, distribution, with a gradient into the weights.

    Args:
        weights: `(batch, ..., Tq, Tk)`, as for `sample`.
        noise: What `gumbel` gave for the weights' shape.
        temperature: A positive number; towards 0 rows become one-hot.

    Returns:
        Rows of the weights' shape, each with the weights' own zeros.
    """
    return softmax(ops.divide(_noisy(weights, noise), temperature), mask=weights > 0)


def log_probability(weights, chosen):
    """`log weights[j]` of the key j that `sample` chose: `(batch, ..., Tq)`."""
    return FORMULAS.log_probability(log(weights), chosen)


def entropy(weights):
    """`-sum_j weights[j] log weights[j]`: `(batch, ..., Tq)`."""
    return FORMULAS.entropy(log(weights))


def _noisy(weights, noise):
    return ops.add(log(weights), ops.cast(noise, weights.dtype))
