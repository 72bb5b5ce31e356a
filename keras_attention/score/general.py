"""score = q^T W k: a dot product in which every pair of components may count."""

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.score.score import IMPLEMENTATIONS, Score


@keras.saving.register_keras_serializable(package="keras_attention")
class GeneralScore(Score):
    """Bilinear score, `score[i, j] = q_i^T W k_j`; query and key may differ in width.

    Weights: `kernel` (Dq, Dk). The keys are multiplied by it once per sequence.

    Args:
        kernel_initializer: Initializer of W.
        kernel_regularizer: Regularizer of W.
        implementation: How the package's layers evaluate it with softmax: "plain" makes the table
            of all weights; "blockwise" gives the same numbers to rounding without it, unless the
            weights are asked for (or, on PyTorch, dropped); "auto" does so from 512 queries and
            keys on. A gradient of a gradient under XLA on TensorFlow, or on PyTorch, and `jax.jvp`
            need "plain" then.

    Example:
    >>> score = keras_attention.score.GeneralScore()
    >>> score(np.ones((1, 2, 3)), np.ones((1, 5, 7))).shape
    TensorShape([1, 2, 5])

    Reference:
        Luong, Pham, Manning (2015), section 3.1, https://arxiv.org/abs/1508.04025.
    """

    def __init__(
        self,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        implementation="auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.implementation = arguments.one_of("implementation", implementation, IMPLEMENTATIONS)

    def build(self, query_shape, key_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(query_shape[-1], key_shape[-1]),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            autocast=False,
        )

    def project_key(self, key):
        return ops.matmul(key, ops.transpose(self.kernel))

    def compare(self, query, key):
        return ops.matmul(query, ops.swapaxes(key, -1, -2))

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "implementation": self.implementation,
        }
