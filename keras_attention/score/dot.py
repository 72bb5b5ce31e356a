"""Dot product: score = q . k, optionally divided by sqrt(d) or multiplied by a learned number."""

import math

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.kernels.matmul import score_products
from keras_attention.precision import HALF_PRECISION, at_least_float32, saturate_cast
from keras_attention.score.score import Score
from keras_attention.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class DotScore(Score):
    """Dot product of query and key, `score[i, j] = q_i . k_j`.

    Args:
        scaled: Whether to divide by the square root of the width, as the Transformer does:
            the product of independent components of unit variance has variance `width`.
        use_scale: Whether to multiply by a learned scalar (initially 1), as
            `keras.layers.Attention(use_scale=True)` does.

    Raises:
        ValueError: If query and key differ in width.

    Example:
    >>> keras_attention.score.DotScore()(np.ones((1, 2, 3)), np.ones((1, 5, 3)))[0, 0, 0].numpy()
    np.float32(3.0)

    Reference:
        Luong, Pham, Manning (2015), section 3.1, https://arxiv.org/abs/1508.04025;
        scaled: Vaswani et al. (2017), section 3.2.1, https://arxiv.org/abs/1706.03762.
    """

    kernel_family = "dot"

    def __init__(self, scaled: bool = False, use_scale: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.scaled = arguments.boolean("scaled", scaled)
        self.use_scale = arguments.boolean("use_scale", use_scale)

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        if query_shape[-1] != key_shape[-1]:
            raise ValueError(
                "Expected query and key of the same width for a dot product (score='general' takes "
                f"any widths). Received: query_shape={query_shape}, key_shape={key_shape}"
            )
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones", autocast=False)

    def project_query(self, query: Tensor) -> Tensor:
        root = query.shape[-1] ** 0.5 if self.scaled else 1.0
        # Half precision is divided exactly by a power of two only, such as the 8 of width 64.
        is_exact = math.frexp(root)[0] == 0.5 and not self.use_scale
        if not is_exact and keras.backend.standardize_dtype(query.dtype) in HALF_PRECISION:
            query = at_least_float32(query)
        if self.scaled:
            query = query / root
        if self.use_scale:
            query = ops.multiply(query, self.scale)
        return self._round(query)

    def project_key(self, key: Tensor) -> Tensor:
        return self._round(key)

    def _round(self, x):
        is_half = self.compute_dtype in HALF_PRECISION
        return saturate_cast(x, self.compute_dtype) if is_half else x

    def compare(self, query: Tensor, key: Tensor) -> Tensor:
        return score_products(query, key)

    def get_config(self) -> Config:
        return {**super().get_config(), "scaled": self.scaled, "use_scale": self.use_scale}
