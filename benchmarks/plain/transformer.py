"""The encoder block of the Transformer, from Keras's own layers."""

import keras


class PlainEncoderBlock(keras.layers.Layer):
    """Self-attention and a feed-forward network, each with a residual and a normalization after."""

    def __init__(self, heads, key_dim, hidden_dim, **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.attention = keras.layers.MultiHeadAttention(heads, key_dim, dtype=policy)
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy)
        self.hidden = keras.layers.Dense(hidden_dim, activation="relu", dtype=policy)
        self.outer = keras.layers.Dense(heads * key_dim, dtype=policy)
        self.outer_norm = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy)

    def build(self, shape):
        self.attention.build(shape, shape)
        self.norm.build(shape)
        self.hidden.build(shape)
        self.outer.build((*shape[:-1], self.hidden.units))
        self.outer_norm.build(shape)

    def call(self, x):
        x = self.norm(x + self.attention(x, x))
        return self.outer_norm(x + self.outer(self.hidden(x)))
