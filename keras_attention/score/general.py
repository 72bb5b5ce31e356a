"""Bilinear score: score = q^T W k, a dot product that weighs every pair of components."""

import keras
from keras import ops

from keras_attention.kernels.matmul import project, score_products
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.precision import round_to_half
from keras_attention.score.score import Score
from keras_attention.types import Config, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class GeneralScore(Score):
    """Bilinear score, `score[i, j] = q_i^T W k_j`; query and key may differ in width.

    Weights: `kernel` (Dq, Dk). The keys are multiplied by it once per sequence.

    Args:
        kernel_initializer: Initializer of W.
        kernel_regularizer: Regularizer of W.

    Example:
    >>> score = keras_attention.score.GeneralScore()
    >>> score(np.ones((1, 2, 3)), np.ones((1, 5, 7))).shape
    TensorShape([1, 2, 5])

    Reference:
        Luong, Pham, Manning (2015), section 3.1, https://arxiv.org/abs/1508.04025.
    """

    kernel_family = "dot"

    def __init__(
        self,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(query_shape[-1], key_shape[-1]),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            autocast=False,
        )

    def project_query(self, query: Tensor) -> Tensor:
        return round_to_half(query, self.compute_dtype)

    def project_key(self, key: Tensor) -> Tensor:
        return project(key, ops.transpose(self.kernel), compute_dtype=self.compute_dtype)

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        return score_products(query, key)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
