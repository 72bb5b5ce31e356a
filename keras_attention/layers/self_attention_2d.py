"""Self-attention over image positions, as in SAGAN (Zhang, Goodfellow, Metaxas, Odena 2019)."""

from typing import Any, Literal

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.attention import IMPLEMENTATIONS, attention
from keras_attention.kernels.prepared_memory import PreparedMemory
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.normalize import softmax
from keras_attention.precision import (
    HALF_PRECISION,
    at_least_float32,
    clip_input,
    saturate_cast,
    score_dtype,
)
from keras_attention.score import DotScore
from keras_attention.tensors import check_tensors
from keras_attention.types import Config, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class SelfAttention2D(DenseInputsLayer):
    """Self-attention over all positions of an image, with a residual scaled by γ.

    score: dot of 1×1 convolutions; mask: —; normalize: softmax; read: weighted sum, γ·o + x.

        s[j, i] = (x_j Wg) . (x_i Wf),  without a scale,  i and j over the H W positions
        beta_j  = softmax_i(s[j, i])                                     (1)
        o_j     = (sum_i beta_j[i] x_i Wh) Wv                            (2)
        y_j     = gamma o_j + x_j                                        (3)

    gamma starts at 0, so that the layer starts as the identity: in the first training step only
    gamma has a gradient, and the convolutions have one from the second step on. `layer.gamma`
    shows how much the attention contributes.

    A 1x1 convolution is a matrix product, so that its kernel has the shape (C, width), equivalent
    to a checkpoint's (1, 1, C, width). Weights: `gamma` (), and the kernels, without biases, of
    `query_projection` Wg (C, C / key_reduction), `key_projection` Wf (the same),
    `value_projection` Wh (C, C / value_reduction) and `output_projection` Wv (C / value_reduction,
    C). They are float32 (float64 under a float64 policy), and multiplied in the compute dtype.

    Args:
        key_reduction: Queries and keys have C // key_reduction channels, at least 1.
        value_reduction: Values have C // value_reduction channels, at least 1, which Wv projects
            back to C; None = Wh (C, C) without a Wv.
        pool_keys: Whether keys and values, never queries, are max-pooled 2x2. If H or W is odd,
            the last windows are smaller.
        spectral_normalization: Whether the convolutions are wrapped in Keras's
            `SpectralNormalization`, with one step of power iteration in each training call.
        data_format: "channels_last" or "channels_first"; None = Keras's image data format.
        kernel_initializer: Initializer of the kernels.
        kernel_regularizer: Regularizer of the kernels; gamma has none. To exclude gamma from an
            optimizer's weight decay: `optimizer.exclude_from_weight_decay(var_names=["gamma"])`.
        implementation: "plain" stores all weights, "blockwise" does not, and "auto" is "blockwise"
            from 512 positions on, as in `MultiHeadAttention`. A gradient penalty (on PyTorch, and
            on TensorFlow under XLA) and `jax.jvp` need "plain".

    Call arguments:
        inputs: `(batch, H, W, C)`, or `(batch, C, H, W)` with "channels_first"; H and W are any
            sizes of at least 1. With "plain", the weights take (H W)^2 float32 numbers for each
            image (64 MB for 64 x 64), a quarter of that with pooled keys.
        return_attention_scores: Whether to return the weights too.
        training: Whether spectral normalization updates its power iteration. When the generator is
            trained through a discriminator, call the discriminator with `training=False`, so that
            its power iteration is not updated.

    Returns:
        Tensor of the inputs' shape, and with `return_attention_scores` the weights `(batch, H W,
        Nk)`, positions in row-major order, Nk = H W, or ceil(H / 2) ceil(W / 2) with pooled keys.

    Raises:
        ValueError: If an argument or the inputs' shape is invalid.

    Example:
    >>> images = np.ones((2, 5, 7, 16), "float32")
    >>> layer = keras_attention.SelfAttention2D(pool_keys=True)
    >>> output, weights = layer(images, return_attention_scores=True)
    >>> output.shape, weights.shape, bool(np.all(output == images))
    (TensorShape([2, 5, 7, 16]), TensorShape([2, 35, 12]), True)

    Differs from the paper: all published variants are available: `value_reduction=8` (ICML 2019),
    `value_reduction=None` (the first version) and, as in the released code,
    `value_reduction=2, pool_keys=True` with spectral normalization. The released code drops the
    last row or column of an odd size; here it is pooled. Keras's `SpectralNormalization` divides
    the stored kernel in every training call; on JAX, Keras does not store the divided kernel.

    Reference:
        Self-Attention Generative Adversarial Networks, Zhang, Goodfellow, Metaxas, Odena (2019),
        section 3, https://arxiv.org/abs/1805.08318.
    """

    def __init__(
        self,
        key_reduction: int = 8,
        value_reduction: int | None = 2,
        pool_keys: bool = False,
        spectral_normalization: bool = False,
        data_format: Literal["channels_last", "channels_first"] | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        implementation: Literal["auto", "plain", "blockwise"] = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.key_reduction = arguments.positive_integer("key_reduction", key_reduction)
        self.value_reduction = arguments.positive_integer(
            "value_reduction", value_reduction, optional=True
        )
        self.pool_keys = arguments.boolean("pool_keys", pool_keys)
        self.spectral_normalization = arguments.boolean(
            "spectral_normalization", spectral_normalization
        )
        self.data_format = arguments.one_of(
            "data_format",
            keras.config.image_data_format() if data_format is None else data_format,
            ("channels_last", "channels_first"),
        )
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        self.implementation = arguments.one_of("implementation", implementation, IMPLEMENTATIONS)
        self.score = DotScore(dtype=self.dtype_policy, name="score")

    def build(self, input_shape: Shape) -> None:
        channels = self._get_channels(input_shape)
        key_width = max(channels // self.key_reduction, 1)
        value_width = max(channels // (self.value_reduction or 1), 1)
        self.gamma = self.add_weight(name="gamma", shape=(), initializer="zeros", autocast=False)
        self.query_projection = self._make_convolution("query_projection", channels, key_width)
        self.key_projection = self._make_convolution("key_projection", channels, key_width)
        self.value_projection = self._make_convolution("value_projection", channels, value_width)
        self.output_projection = None
        if self.value_reduction is not None:
            self.output_projection = self._make_convolution(
                "output_projection", value_width, channels
            )
        # The score has no weights, but `Model.quantize` rejects any sub-layer that is not built.
        self.score.build((None, None, key_width), (None, None, key_width))

    def call(
        self,
        inputs: Tensor,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        check_tensors("inputs", inputs)
        self._get_channels(inputs.shape)  # to check them
        inputs = ops.cast(inputs, self.compute_dtype)
        image = self._to_channels_last(clip_input(inputs))
        query = self._flatten(_project(self.query_projection, image, training))
        key = self._flatten(self._pool(_project(self.key_projection, image, training)))
        value = self._flatten(self._pool(_project(self.value_projection, image, training)))
        context, weights = attention(
            self.score,
            softmax,
            None,
            query,
            PreparedMemory(key, value, None),
            StructuredMask(ops.shape(query)[1], ops.shape(key)[1]),
            implementation=self.implementation,
            return_weights=return_attention_scores,
        )
        if self.output_projection is not None:
            context = _project(self.output_projection, context, training)
        context = self._from_channels_last(ops.reshape(context, ops.shape(image)))
        residual = ops.multiply(at_least_float32(context), self.gamma)
        output = ops.add(residual, at_least_float32(inputs))
        output = saturate_cast(output, self.compute_dtype)
        if return_attention_scores:
            return output, ops.cast(weights, self.compute_dtype)
        return output

    def _make_convolution(self, name, channels, width):
        """Return a 1x1 convolution, which is a matrix product over the channels."""
        dtype = score_dtype(self.compute_dtype)
        is_half = self.compute_dtype in HALF_PRECISION
        layer = keras.layers.Dense(
            width,
            use_bias=False,
            kernel_initializer=clone_initializer(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            dtype=f"mixed_{self.compute_dtype}" if is_half else dtype,
            name=name,
        )
        if self.spectral_normalization:
            layer = keras.layers.SpectralNormalization(layer, dtype=dtype, name=name)
        layer.build((None, None, None, channels))
        return layer

    def _to_channels_last(self, image):
        return image if self.data_format == "channels_last" else ops.transpose(image, (0, 2, 3, 1))

    def _from_channels_last(self, image):
        return image if self.data_format == "channels_last" else ops.transpose(image, (0, 3, 1, 2))

    def _pool(self, image):
        if not self.pool_keys:
            return image
        # XLA on TensorFlow has the second derivative of a maximum in float32 only.
        pooled = ops.max_pool(
            at_least_float32(image), 2, 2, padding="same", data_format="channels_last"
        )
        return ops.cast(pooled, image.dtype)

    def _flatten(self, image):
        """Reshape `(batch, H, W, C)` to `(batch, H W, C)`."""
        _, height, width, channels = ops.shape(image)
        # Only an unknown batch size becomes the -1 of the reshape: tf2onnx converts a reshape with
        # another unknown size wrongly.
        batch = -1 if image.shape[0] is None else image.shape[0]
        return ops.reshape(image, (batch, height * width, channels))

    def _get_channels(self, shape):
        is_last = self.data_format == "channels_last"
        channels = shape[-1 if is_last else 1] if len(shape) == 4 else None
        if channels is None:
            axes = "height, width, channels" if is_last else "channels, height, width"
            raise ValueError(
                f"Expected `inputs` of shape (batch, {axes}) with known channels. "
                f"Received: inputs of shape {tuple(shape)}"
            )
        return channels

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def compute_output_spec(
        self,
        inputs: Tensor,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        check_tensors("inputs", inputs)
        self._get_channels(inputs.shape)  # to check them
        output = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention_scores:
            return output
        sizes = inputs.shape[1:3] if self.data_format == "channels_last" else inputs.shape[2:]
        pooled = [None if n is None else -(-n // 2) for n in sizes] if self.pool_keys else sizes
        counts = [None if None in (h, w) else h * w for h, w in (sizes, pooled)]
        return output, keras.KerasTensor((inputs.shape[0], *counts), self.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "key_reduction": self.key_reduction,
            "value_reduction": self.value_reduction,
            "pool_keys": self.pool_keys,
            "spectral_normalization": self.spectral_normalization,
            "data_format": self.data_format,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "implementation": self.implementation,
        }


def _project(projection, image, training):
    """Apply a projection; if it is frozen, as in inference.

    In training, Keras's spectral normalization assigns a new kernel, even to a frozen layer.
    """
    projected = projection(image, training=training and projection.trainable)
    return saturate_cast(projected, keras.backend.standardize_dtype(image.dtype))
