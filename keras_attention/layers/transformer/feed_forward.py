"""The position-wise feed-forward network of a Transformer (Vaswani et al. 2017)."""

import keras

from keras_attention.base_layer import BaseLayer
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.matmul import from_rows, to_rows


class FeedForward(BaseLayer):
    """`FFN(x) = activation(x W1 + b1) W2 + b2`, equation 2, with outputs of the inputs' width.

    Args:
        hidden_dim: Width of the hidden layer.
        activation: Activation of the hidden layer, as in `keras.layers.Dense`.
        kernel_initializer: Initializer of both kernels.
        bias_initializer: Initializer of both biases.
    """

    def __init__(self, hidden_dim, activation, kernel_initializer, bias_initializer, **kwargs):
        super().__init__(**kwargs)
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self.hidden = self._make_dense(hidden_dim, "hidden", activation)

    def build(self, input_shape):
        width = input_shape[-1]
        self.output_layer = self._make_dense(width, "output")
        self.hidden.build(input_shape)
        self.output_layer.build((*input_shape[:-1], self.hidden.units))

    def _make_dense(self, units, name, activation=None):
        return keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=clone_initializer(self.kernel_initializer),
            bias_initializer=clone_initializer(self.bias_initializer),
            dtype=self.dtype_policy,
            name=name,
        )

    def call(self, inputs):
        # One row per position: TensorFlow multiplies three axes by two with many more operations.
        outputs = self.output_layer(self.hidden(to_rows(inputs)))
        return from_rows(outputs, inputs, inputs.shape[-1])
