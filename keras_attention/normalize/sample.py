"""Sample one key from each row of weights, with log-probability and entropy.

TensorFlow Probability computes them on TensorFlow (`sample_tfp`). Other backends use the same
formulas in Keras operations (`sample_ops`), because TensorFlow Probability does not run on every
version of JAX, nor on PyTorch.
"""

from typing import Any

import keras
from keras import ops

from keras_attention.normalize import sample_ops, sample_tfp
from keras_attention.normalize.hardmax import hardmax
from keras_attention.normalize.masked import softmax
from keras_attention.tensors import check_broadcastable
from keras_attention.types import Tensor

FORMULAS = sample_tfp if keras.backend.backend() == "tensorflow" else sample_ops
# Probabilities are clamped to this minimum before the logarithm, because keys of a smaller
# probability are never sampled in practice.
MIN_PROBABILITY = 1e-30


def log(weights: Tensor) -> Tensor:
    """Compute `log(max(weights, 1e-30))`; weights below 1e-30 get no gradient."""
    return ops.log(ops.maximum(weights, MIN_PROBABILITY))


def gumbel(shape: tuple[Any, ...], seed: keras.random.SeedGenerator) -> Tensor:
    """Draw standard Gumbel noise in float32. It does not depend on the weights.

    Args:
        shape: Shape of the weights, a tuple of ints or scalar tensors.
        seed: A `keras.random.SeedGenerator`.
    """
    return FORMULAS.gumbel(shape, seed)


def sample(weights: Tensor, noise: Tensor) -> Tensor:
    """Sample a key from each row, key j with probability `weights[j]`.

    Computes `argmax_j (log weights_j + g_j)`, which is an exact sample if g is Gumbel noise
    (Gumbel 1954). Given the noise, the result is deterministic.

    Args:
        weights: `(batch, ..., Tq, Tk)`, rows that sum to 1, or to 0 if fully masked.
        noise: Gumbel noise of the weights' shape, from `gumbel`.

    Returns:
        One-hot rows of the weights' shape, all zero if the weights are; without a gradient.

    Example:
    >>> weights, noise = np.array([[0.5, 0.3, 0.2]], "float32"), np.array([[0.1, 1.0, 0.2]])
    >>> keras_attention.normalize.sample.sample(weights, noise).numpy()
    array([[0., 1., 0.]], dtype=float32)
    """
    return ops.stop_gradient(hardmax(_add_noise(weights, noise), mask=weights > 0))


def sample_relaxed(weights: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """Sample from the Gumbel-softmax (concrete) distribution, with a gradient to the weights.

    Computes `softmax((log weights + g) / temperature)`, a differentiable relaxation of `sample`.

    Args:
        weights: `(batch, ..., Tq, Tk)`, as in `sample`.
        noise: Gumbel noise of the weights' shape, from `gumbel`.
        temperature: A positive number; as it approaches 0, rows become one-hot.

    Returns:
        Rows of the weights' shape, zero where the weights are.
    """
    return softmax(ops.divide(_add_noise(weights, noise), temperature), mask=weights > 0)


def log_probability(weights: Tensor, one_hot: Tensor) -> Tensor:
    """Compute `log weights[j]` of the key j that is 1 in each row of `one_hot`.

    Args:
        weights: `(batch, ..., Tq, Tk)`, as in `sample`.
        one_hot: Sampled keys, from `sample`.

    Returns:
        Tensor `(batch, ..., Tq)`.
    """
    check_broadcastable("one_hot", one_hot, "weights", weights.shape)
    return FORMULAS.log_probability(log(weights), one_hot)


def entropy(weights: Tensor) -> Tensor:
    """Compute `-sum_j weights[j] log weights[j]` of each row, in nats: `(batch, ..., Tq)`."""
    return FORMULAS.entropy(log(weights))


def _add_noise(weights, noise):
    check_broadcastable("noise", noise, "weights", weights.shape)
    return ops.add(log(weights), ops.cast(noise, weights.dtype))
