"""Additive score: score = scale . tanh(q Wq + k Wk + bias), one hidden layer for each pair."""

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.score.score import Score
from keras_attention.types import Config, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class AdditiveScore(Score):
    """Additive score, `score[i, j] = scale . tanh(q_i Wq + k_j Wk + bias)`.

    This is also Luong's `concat` score, because `W [q; k] = q Wq + k Wk`.

    Weights, in this order: `query_kernel` (Dq, units), `key_kernel` (Dk, units),
    `scale` (units,) and, with `use_bias`, `bias` (units,).

    Args:
        units: Width of the hidden layer; None takes the query's width.
        use_bias: Whether to add a bias inside the tanh. The paper has none.
        kernel_initializer: Initializer of both kernels. The paper draws from N(0, 0.001^2).
        scale_initializer: Initializer of `scale`. The paper starts at zero, so that the first
            attention is uniform.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of both kernels.

    Example:
    >>> score = keras_attention.score.AdditiveScore(units=4)
    >>> score(np.ones((1, 2, 3)), np.ones((1, 5, 7))).shape
    TensorShape([1, 2, 5])

    Reference:
        Bahdanau, Cho, Bengio (2015), appendix A.1.2, https://arxiv.org/abs/1409.0473.
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
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = arguments.positive_integer("units", units, optional=True)
        self.use_bias = arguments.boolean("use_bias", use_bias)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.scale_initializer = get_initializer("scale_initializer", scale_initializer)
        self.bias_initializer = get_initializer("bias_initializer", bias_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)

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

    def project_query(self, query: Tensor) -> Tensor:
        return self._project(query, self.query_kernel, self.bias if self.use_bias else None)

    def project_key(self, key: Tensor) -> Tensor:
        return self._project(key, self.key_kernel)

    def _project(self, x, kernel, bias=None):
        # The result is float32, because the tanh and its kernels are computed in float32.
        return project(x, kernel, bias, dtype="float32", compute_dtype=self.compute_dtype)

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        hidden = ops.tanh(query[..., :, None, :] + key[..., None, :, :])
        # The sum over units is a matrix product, because XLA would fuse a plain sum with the tanh
        # and compute one tanh at a time.
        rows, column = ops.reshape(hidden, (-1, key.shape[-1])), ops.reshape(self.scale, (-1, 1))
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
        }
