"""Layer normalization with correct second derivatives on every backend."""

from typing import Any

import keras
from keras import ops

from keras_attention.types import Tensor


class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` over the last axis, with the formula written out.

    On TensorFlow, Keras uses a variance whose gradient treats the mean as a constant. First
    derivatives are still correct, because the deviations sum to zero, but second derivatives are
    wrong. The other backends' kernels are correct.
    """

    def call(self, inputs: Tensor) -> Any:
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs)
        deviation = inputs - ops.mean(inputs, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(deviation), axis=-1, keepdims=True)
        return deviation * (ops.rsqrt(variance + self.epsilon) * self.gamma) + self.beta
