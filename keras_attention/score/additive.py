"""score = scale . tanh(q Wq + k Wk + bias): a hidden layer that sees query and key together."""

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.initial_weights import clone_initializer
from keras_attention.score.score import IMPLEMENTATIONS, Score


@keras.saving.register_keras_serializable(package="keras_attention")
class AdditiveScore(Score):
    """Additive score, `score[i, j] = scale . tanh(q_i Wq + k_j Wk + bias)`.

    With a full W this is also Luong's `concat`: `W [q; k] = q Wq + k Wk`.

    Weights, in this order: `query_kernel` (Dq, units), `key_kernel` (Dk, units),
    `scale` (units,) and, with `use_bias`, `bias` (units,).

    Args:
        units: Width of the hidden layer; None takes the query's width.
        use_bias: Whether to add a bias inside tanh. The paper has none.
        kernel_initializer: Initializer of both kernels. The paper draws from N(0, 0.001^2).
        scale_initializer: Initializer of `scale`. The paper starts at zero, so that the first
            attention is uniform.
        bias_initializer: Initializer of `bias`.
        kernel_regularizer: Regularizer of both kernels.
        implementation: How the package's layers compute it: "plain", the formula as it stands,
            with its `(batch, Tq, Tk, units)`; "blockwise", the same numbers to rounding without
            that tensor; "auto" chooses by size. To call the score itself is always plain.

    Example:
    >>> score = keras_attention.score.AdditiveScore(units=4)
    >>> score(np.ones((1, 2, 3)), np.ones((1, 5, 7))).shape
    TensorShape([1, 2, 5])

    Reference:
        Bahdanau, Cho, Bengio (2015), appendix A.1.2, https://arxiv.org/abs/1409.0473.
    """

    def __init__(
        self,
        units=None,
        use_bias=False,
        kernel_initializer="glorot_uniform",
        scale_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        implementation="auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = arguments.positive_integer("units", units, optional=True)
        self.use_bias = arguments.boolean("use_bias", use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.scale_initializer = keras.initializers.get(scale_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.implementation = arguments.one_of("implementation", implementation, IMPLEMENTATIONS)

    def build(self, query_shape, key_shape):
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

    def project_query(self, query):
        projected = ops.matmul(query, self.query_kernel)
        return ops.add(projected, self.bias) if self.use_bias else projected

    def project_key(self, key):
        return ops.matmul(key, self.key_kernel)

    def compare(self, query, key):
        hidden = ops.tanh(query[..., :, None, :] + key[..., None, :, :])
        # A product of matrices: in a sum over units XLA would compute one tanh at a time.
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

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "scale_initializer": keras.initializers.serialize(self.scale_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "implementation": self.implementation,
        }
