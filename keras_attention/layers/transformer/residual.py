"""Residual connection, dropout and layer normalization around a Transformer's sublayer."""

from keras import ops

from keras_attention.base_layer import BaseLayer
from keras_attention.kernels.layer_norm import LayerNormalization
from keras_attention.layers.dropout import Dropout
from keras_attention.precision import at_least_float32, score_dtype, to_score_precision

NORMS = ("post", "pre")


class Residual(BaseLayer):
    """A residual connection: the methods `pre` and `post` run before and after the sublayer.

        norm="post": LayerNorm(x + Dropout(Sublayer(x)))      (Vaswani et al. 2017, section 5.4)
        norm="pre":  x + Dropout(Sublayer(LayerNorm(x)))      (Xiong et al. 2020)

    The sum and the normalization are computed in float32 (float64 under a float64 policy). Under a
    float16 policy a vector of equal components, which is normalized to zeros, gets no gradient: the
    gradient would be multiplied by 1 / sqrt(epsilon) in every normalization, and overflow.

    Args:
        norm: "post" or "pre".
        dropout: Fraction of the sublayer's output to drop in training.
        epsilon: Added to the variance under the normalization's square root.
        seed: Seed of the dropout, an int or None.
    """

    def __init__(self, norm, dropout, epsilon, seed=None, **kwargs):
        super().__init__(**kwargs)
        dtype = score_dtype(self.compute_dtype)
        self.norm = norm
        self.normalize = LayerNormalization(epsilon=epsilon, dtype=dtype, name="norm")
        self.drop = Dropout(dropout, seed=seed, dtype=dtype)

    def build(self, input_shape):
        self.normalize.build(input_shape)

    def pre(self, x):
        """Return the input of the sublayer."""
        return self._normalize(to_score_precision(x)) if self.norm == "pre" else x

    def post(self, x, output, training):
        """Add the sublayer's output to `x`; the result is float32, or float64."""
        output = self.drop(at_least_float32(output), training=training)
        total = to_score_precision(at_least_float32(x) + output)
        return self._normalize(total) if self.norm == "post" else total

    def _normalize(self, x):
        if self.compute_dtype == "float16":
            smallest, largest = (f(x, axis=-1, keepdims=True) for f in (ops.min, ops.max))
            x = ops.where(smallest == largest, ops.stop_gradient(x), x)
        return self.normalize(x)
