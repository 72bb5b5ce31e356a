"""Cosine score: score = beta cos(q, k), with a learned strength beta."""

import math

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.kernels.matmul import matmul
from keras_attention.precision import at_least_float32
from keras_attention.score.score import Score
from keras_attention.types import Config, Shape, Tensor

# Squared lengths are clipped to this minimum. A vector shorter than 1e-6 therefore has a length
# below 1 after normalization.
EPSILON = 1e-12


def normalize_length(x):
    """Divide `x` by its length; an all-zero vector stays zero, with a gradient of zero."""
    # The gradient of `square` is one product, that of `x * x` is two.
    squared_length = ops.sum(ops.square(x), axis=-1, keepdims=True)
    # A vector shorter than 1e-6 gets no gradient. It would be 1e6 times the gradient of the result:
    # infinite in float16, and larger than all other gradients together in float32.
    x = ops.where(squared_length < EPSILON, ops.stop_gradient(x), x)
    return x * ops.rsqrt(ops.maximum(squared_length, EPSILON))


@keras.saving.register_keras_serializable(package="keras_attention")
class CosineScore(Score):
    """Content-based score, `score[i, j] = beta cos(q_i, k_j)` with a learned beta > 1.

    A cosine lies in [-1, 1]: without beta, a softmax over T keys could not give any key more than
    `e^2 / (e^2 + T - 1)`. Here `beta = 1 + softplus(raw_strength)`.

    Weights: `raw_strength` ().

    Args:
        strength: The initial beta, greater than 1.

    Raises:
        ValueError: If `strength` is not a number greater than 1, or the widths differ.

    Example:
    >>> score = keras_attention.score.CosineScore(strength=5.0)
    >>> float(score(np.ones((1, 1, 3)), np.ones((1, 1, 3)))[0, 0, 0].numpy().round(4))
    5.0

    Differs from the paper: there the controller emits beta at every step; here it is one learned
    number.

    Reference:
        Graves, Wayne, Danihelka (2014), equations 5 and 6, https://arxiv.org/abs/1410.5401.
    """

    def __init__(self, strength: float = 10.0, **kwargs):
        super().__init__(**kwargs)
        if not arguments.is_real(strength) or not 1 < strength < math.inf:
            raise ValueError(
                f"Expected `strength` to be a number above 1. Received: strength={strength!r}"
            )
        self.strength = float(strength)

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        if query_shape[-1] != key_shape[-1]:
            raise ValueError(
                "Expected query and key of the same width for a cosine. "
                f"Received: query_shape={query_shape}, key_shape={key_shape}"
            )
        excess = self.strength - 1
        self.raw_strength = self.add_weight(
            name="raw_strength",
            shape=(),
            # The inverse of softplus, in a form that does not overflow for a large strength.
            initializer=keras.initializers.Constant(excess + math.log(-math.expm1(-excess))),
            autocast=False,
        )

    def project_query(self, query: Tensor) -> Tensor:
        strength = 1 + ops.softplus(at_least_float32(self.raw_strength))
        return ops.multiply(normalize_length(query), strength)

    def project_key(self, key: Tensor) -> Tensor:
        return normalize_length(key)

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        return matmul(query, ops.swapaxes(key, -1, -2))

    def get_config(self) -> Config:
        return {**super().get_config(), "strength": self.strength}
