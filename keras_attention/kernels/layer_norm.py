"""Layer normalization with right second derivatives on every backend."""

from typing import Any

import keras
from keras import ops

from keras_attention.types import Tensor


class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` over the last axis, with the formula written out.

    TensorFlow's variance, which Keras takes, regards the mean as a constant. That leaves values and
    gradients as they are, because the deviations sum to zero, but makes the second derivatives
    wrong. The other backends' kernels are right.
    """

    def call(self, inputs: Tensor) -> Any:
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs)
        deviation = inputs - ops.mean(inputs, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(deviation), axis=-1, keepdims=True)
        return deviation * (ops.rsqrt(variance + self.epsilon) * self.gamma) + self.beta
