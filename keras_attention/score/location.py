"""Location-based score: score = W q, computed from the query alone, not from the keys."""

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.score.score import Score
from keras_attention.types import Config, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class LocationScore(Score):
    """Location-based score, `score[i, j] = (q_i W)_j`; the contents of the keys are not used.

    Weights: `kernel` (Dq, max_length).

    Args:
        max_length: Number of positions that have weights (S_max in the paper). A shorter sequence
            uses the first positions; in a longer sequence, keys beyond the last position are
            masked.
        kernel_initializer: Initializer of W.
        kernel_regularizer: Regularizer of W.

    Example:
    >>> score = keras_attention.score.LocationScore(max_length=50)
    >>> score(np.ones((1, 2, 3)), np.ones((1, 5, 7))).shape
    TensorShape([1, 2, 5])

    Reference:
        Luong, Pham, Manning (2015), equation 9 and footnote 6, https://arxiv.org/abs/1508.04025.
    """

    def __init__(
        self,
        max_length: int,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.max_length = arguments.positive_integer("max_length", max_length)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(query_shape[-1], self.max_length),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            autocast=False,
        )

    def project_query(self, query: Tensor) -> Tensor:
        return project(query, self.kernel, dtype="float32", compute_dtype=self.compute_dtype)

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        positions = ops.arange(ops.shape(key)[-2], dtype="int32")
        # `covers` masks the positions beyond the last one, so that their scores do not matter.
        return ops.take(query, ops.clip(positions, 0, self.max_length - 1), axis=-1)

    def covers(self, key: Tensor) -> Tensor:
        return ops.arange(ops.shape(key)[-2], dtype="int32")[None, :] < self.max_length

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "max_length": self.max_length,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
