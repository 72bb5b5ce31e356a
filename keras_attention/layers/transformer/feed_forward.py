"""The position-wise feed-forward network of a Transformer (Vaswani et al. 2017)."""

import keras

from keras_attention.base_layer import BaseLayer


class FeedForward(BaseLayer):
    """`FFN(x) = activation(x W1 + b1) W2 + b2`, equation 2, with outputs of the inputs' width.

    Args:
        hidden_dim: Width of the hidden layer.
        activation: Activation of the hidden layer, as in `keras.layers.Dense`.
    """

    def __init__(self, hidden_dim, activation, **kwargs):
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(
            hidden_dim, activation=activation, dtype=self.dtype_policy, name="hidden"
        )

    def build(self, input_shape):
        width = input_shape[-1]
        self.output_layer = keras.layers.Dense(width, dtype=self.dtype_policy, name="output")
        self.hidden.build(input_shape)
        self.output_layer.build((*input_shape[:-1], self.hidden.units))

    def call(self, inputs):
        return self.output_layer(self.hidden(inputs))
