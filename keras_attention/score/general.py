"""Bilinear score: score = q^T W k, a dot product that weighs every pair of components."""

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.kernels.matmul import project, score_products
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.precision import at_least_float32, round_to_half
from keras_attention.score.score import Score
from keras_attention.types import Config, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class GeneralScore(Score):
    """Bilinear score, `score[i, j] = q_i^T W k_j`; query and key may differ in width.

    With `use_scale`, `score[i, j] = scale q_i^T W k_j`.

    Weights, in this order: `kernel` (Dq, Dk) and, with `use_scale`, `scale` (). The keys are
    multiplied by them once per sequence.

    Args:
        kernel_initializer: Initializer of W.
        kernel_regularizer: Regularizer of W.
        use_scale: Whether to multiply by a learned scalar (initially 1), as
            `LuongAttention(scale=True)` of TensorFlow Addons does.

    Raises:
        ValueError: If an argument is not as described.

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
        use_scale: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        self.use_scale = arguments.boolean("use_scale", use_scale)

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(query_shape[-1], key_shape[-1]),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            autocast=False,
        )
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones", autocast=False)

    def project_query(self, query: Tensor) -> Tensor:
        return round_to_half(query, self.compute_dtype)

    def project_key(self, key: Tensor) -> Tensor:
        kernel = ops.transpose(self.kernel)
        if self.use_scale:  # the kernel is multiplied, because half precision rounds the keys
            kernel = at_least_float32(kernel) * at_least_float32(self.scale)
        return project(key, kernel, compute_dtype=self.compute_dtype)

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        return score_products(query, key)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "use_scale": self.use_scale,
        }
