"""Additive score: score = scale . tanh(q Wq + k Wk + bias), one hidden layer for each pair."""

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.precision import at_least_float32
from keras_attention.score.score import Score
from keras_attention.types import Config, Initializer, Regularizer, Shape, Tensor

# A normalized scale of zeros stays zero instead of NaN.
MIN_SQUARED_LENGTH = 1e-12


@keras.saving.register_keras_serializable(package="keras_attention")
class AdditiveScore(Score):
    """Additive score, `score[i, j] = scale . tanh(q_i Wq + k_j Wk + bias)`.

    This is also Luong's `concat` score, because `W [q; k] = q Wq + k Wk`.

    With `normalized`, `gain scale / |scale|` replaces `scale` (weight normalization): the length of
    this vector is a weight of its own, so it does not depend on `units` or the initializer.

    Weights, in this order: `query_kernel` (Dq, units), `key_kernel` (Dk, units), `scale` (units,);
    with `use_bias`, `bias` (units,); and with `normalized`, `gain` (), initially 1 / sqrt(units).

    Args:
        units: Width of the hidden layer; None takes the query's width.
        use_bias: Whether to add a bias inside the tanh. The paper has none.
        kernel_initializer: Initializer of both kernels. The paper draws from N(0, 0.001^2).
        scale_initializer: Initializer of `scale`. The paper starts at zero, so that the first
            attention is uniform.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of both kernels.
        normalized: Whether to normalize `scale`, and multiply it by `gain`.

    Example:
    >>> score = keras_attention.score.AdditiveScore(units=4)
    >>> score(np.ones((1, 2, 3)), np.ones((1, 5, 7))).shape
    TensorShape([1, 2, 5])

    Reference:
        Bahdanau, Cho, Bengio (2015), appendix A.1.2, https://arxiv.org/abs/1409.0473;
        normalized: Salimans, Kingma (2016), equation 2, https://arxiv.org/abs/1602.07868, as in
        `BahdanauAttention(normalize=True)` of TensorFlow Addons (which also has a bias); there the
        squared length has no lower bound of 1e-12.
    """

    kernel_family = "additive"

    def __init__(
        self,
        units: int | None = None,
        use_bias: bool = False,
        kernel_initializer: Initializer = "glorot_uniform",
        scale_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        normalized: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = arguments.positive_integer("units", units, optional=True)
        self.use_bias = arguments.boolean("use_bias", use_bias)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.scale_initializer = get_initializer("scale_initializer", scale_initializer)
        self.bias_initializer = get_initializer("bias_initializer", bias_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        self.normalized = arguments.boolean("normalized", normalized)

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        units = self.units or query_shape[-1]
        self.query_kernel = self._add_kernel("query_kernel", query_shape[-1], units)
        self.key_kernel = self._add_kernel("key_kernel", key_shape[-1], units)
        self.scale = self.add_weight(
            name="scale",
            shape=(units,),
            initializer=clone_initializer(self.scale_initializer),
            autocast=False,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(units,), initializer=self.bias_initializer, autocast=False
            )
        if self.normalized:
            self.gain = self.add_weight(
                name="gain",
                shape=(),
                initializer=keras.initializers.Constant(units**-0.5),
                autocast=False,
            )

    def project_query(self, query: Tensor) -> Tensor:
        return self._project(query, self.query_kernel, self.bias if self.use_bias else None)

    def project_key(self, key: Tensor) -> Tensor:
        return self._project(key, self.key_kernel)

    def _project(self, x, kernel, bias=None):
        # The result is float32, because the tanh and its kernels are computed in float32.
        return project(x, kernel, bias, dtype="float32", compute_dtype=self.compute_dtype)

    def compute_scale(self) -> Tensor:
        if not self.normalized:
            return self.scale
        scale = at_least_float32(self.scale)
        squared_length = ops.maximum(ops.sum(ops.square(scale)), MIN_SQUARED_LENGTH)
        return ops.multiply(at_least_float32(self.gain) * ops.rsqrt(squared_length), scale)

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        hidden = ops.tanh(query[..., :, None, :] + key[..., None, :, :])
        # The sum over units is a matrix product, because XLA would fuse a plain sum with the tanh
        # and compute one tanh at a time.
        rows = ops.reshape(hidden, (-1, key.shape[-1]))
        column = ops.reshape(self.compute_scale(), (-1, 1))
        return ops.reshape(ops.matmul(rows, column), ops.shape(hidden)[:-1])

    def _add_kernel(self, name, width, units):
        return self.add_weight(
            name=name,
            shape=(width, units),
            initializer=clone_initializer(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
            autocast=False,
        )

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "scale_initializer": keras.initializers.serialize(self.scale_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "normalized": self.normalized,
        }
