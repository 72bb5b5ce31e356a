"""How a Transformer wraps each of its sublayers: residual, dropout, layer normalization."""

import keras

from keras_attention.base_layer import BaseLayer
from keras_attention.precision import score_dtype, to_score_precision

NORMS = ("post", "pre")


class Residual(BaseLayer):
    """What stands before and after a sublayer.

        post: LayerNorm(x + Dropout(Sublayer(x)))      (Vaswani et al. 2017, section 5.4)
        pre:  x + Dropout(Sublayer(LayerNorm(x)))      (Xiong et al. 2020)

    The sum and the normalization are computed in float32 at least.

    Args:
        norm: "post" or "pre".
        dropout: Fraction of the sublayer's output to drop in training.
        seed: Seed of the dropout, an int or None.
    """

    def __init__(self, norm, dropout, seed=None, **kwargs):
        super().__init__(**kwargs)
        dtype = score_dtype(self.compute_dtype)
        self.norm = norm
        self.normalize = keras.layers.LayerNormalization(epsilon=1e-6, dtype=dtype, name="norm")
        self.drop = keras.layers.Dropout(dropout, seed=seed, dtype=dtype)

    def build(self, input_shape):
        self.normalize.build(input_shape)

    def before(self, x):
        """What the sublayer gets."""
        return self.normalize(to_score_precision(x)) if self.norm == "pre" else x

    def after(self, x, result, training):
        """What becomes of `x` and of the sublayer's result, in float32 at least."""
        total = to_score_precision(x) + self.drop(to_score_precision(result), training=training)
        return self.normalize(total) if self.norm == "post" else total
