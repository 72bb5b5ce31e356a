"""The self-attention of images in SAGAN (Zhang, Goodfellow, Metaxas, Odena 2019)."""

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.base_layer import BaseLayer
from keras_attention.initial_weights import clone_initializer
from keras_attention.kernels.dot.attention import can_run_blockwise, dot_attention
from keras_attention.mask.structured_mask import StructuredMask
from keras_attention.normalize import softmax
from keras_attention.precision import at_least_float32, score_dtype, to_score_precision
from keras_attention.read import weighted_sum
from keras_attention.score import DotScore
from keras_attention.score.score import IMPLEMENTATIONS


@keras.saving.register_keras_serializable(package="keras_attention")
class SelfAttention2D(BaseLayer):
    """Every position of an image reads from all of them, and adds what it read to itself.

    score: dot of 1×1 convolutions; mask: —; normalize: softmax; read: weighted sum, γ·o + x.

        s[j, i] = (x_j Wg) . (x_i Wf),  without a scale,  i and j over the H W positions
        beta_j  = softmax_i(s[j, i])                                     (1)
        o_j     = (sum_i beta_j[i] x_i Wh) Wv                            (2)
        y_j     = gamma o_j + x_j                                        (3)

    gamma starts at 0, so the layer starts as the identity: in the first step only gamma has a
    gradient, and the convolutions follow from the second on. `layer.gamma` says how much the layer
    has come to count.

    A 1x1 convolution is a matrix: its kernel is kept as (C, width), which is what a checkpoint's
    (1, 1, C, width) holds. Weights: `gamma` (), and the kernels, without biases, of
    `query_projection` Wg (C, C / key_reduction), `key_projection` Wf (the same),
    `value_projection` Wh (C, C / value_reduction) and `output_projection` Wv (C / value_reduction,
    C). They are float32 (float64 under that policy), because the scores are made of them.

    Args:
        key_reduction: The queries and keys have C // key_reduction channels, at least 1.
        value_reduction: The values have C // value_reduction channels, at least 1, and Wv brings
            them back to C; None is Wh (C, C) without a Wv.
        pool_keys: Whether keys and values, never queries, are max-pooled 2x2. Where H or W is odd,
            the last windows hold what there is.
        spectral_normalization: Whether the convolutions stand in Keras's `SpectralNormalization`,
            each call in training taking one step of its power iteration.
        data_format: "channels_last" or "channels_first"; None is Keras's own setting.
        kernel_initializer: Initializer of the kernels.
        kernel_regularizer: Regularizer of the kernels; gamma has none. For an optimizer's weight
            decay: `optimizer.exclude_from_weight_decay(var_names=["gamma"])`.
        implementation: "plain" makes the table of all weights, "blockwise" goes without, and
            "auto" does so from 512 positions on, as in `MultiHeadAttention`: a gradient penalty
            under XLA on TensorFlow, or on PyTorch, and `jax.jvp` need "plain".

    Call arguments:
        inputs: `(batch, H, W, C)`, or `(batch, C, H, W)` with "channels_first"; any H and W from
            1 on. The plain weights are an (H W)^2 table of float32 for each image (64 MB for
            64 x 64); pooled keys take a quarter.
        return_attention_scores: Whether to return the weights too.
        training: Whether spectral normalization goes on. Passing through a discriminator to train
            the generator, call it with `training=False`, or its power iteration moves.

    Returns:
        Tensor like the inputs, and with `return_attention_scores` the weights `(batch, H W, Nk)`,
        positions row by row, Nk = H W, or ceil(H / 2) ceil(W / 2) with pooled keys.

    Raises:
        ValueError: If an argument or the inputs' shape is not one of these.

    Example:
    >>> images = np.ones((2, 5, 7, 16), "float32")
    >>> layer = keras_attention.SelfAttention2D(pool_keys=True)
    >>> output, weights = layer(images, return_attention_scores=True)
    >>> output.shape, weights.shape, bool(np.all(output == images))
    (TensorShape([2, 5, 7, 16]), TensorShape([2, 35, 12]), True)

    Differs from the paper: not in its forms, which are `value_reduction=8` (ICML 2019),
    `value_reduction=None` (the first version) and, as in the released code,
    `value_reduction=2, pool_keys=True` with spectral normalization; the released code drops the
    last row or column of an odd size, here it is pooled. Keras's `SpectralNormalization` divides
    the stored kernel in every training call; on JAX, Keras does not store what it divided.

    Reference:
        Self-Attention Generative Adversarial Networks, Zhang, Goodfellow, Metaxas, Odena (2019),
        section 3, https://arxiv.org/abs/1805.08318.
    """

    def __init__(
        self,
        key_reduction=8,
        value_reduction=2,
        pool_keys=False,
        spectral_normalization=False,
        data_format=None,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        implementation="auto",
        **kwargs,
    ):
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
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.implementation = arguments.one_of("implementation", implementation, IMPLEMENTATIONS)
        self.score = DotScore(dtype=self.dtype_policy, name="score")

    def build(self, input_shape):
        channels = self._channels(input_shape)
        key_width = max(channels // self.key_reduction, 1)
        value_width = max(channels // (self.value_reduction or 1), 1)
        self.gamma = self.add_weight(name="gamma", shape=(), initializer="zeros", autocast=False)
        self.query_projection = self._convolution("query_projection", channels, key_width)
        self.key_projection = self._convolution("key_projection", channels, key_width)
        self.value_projection = self._convolution("value_projection", channels, value_width)
        self.output_projection = None
        if self.value_reduction is not None:
            self.output_projection = self._convolution("output_projection", value_width, channels)

    def call(self, inputs, return_attention_scores=False, training=None):
        self._channels(inputs.shape)
        inputs = ops.cast(inputs, self.compute_dtype)
        image = self._channels_last(to_score_precision(inputs))
        query = self._positions(_project(self.query_projection, image, training))
        key = self._positions(self._pooled(_project(self.key_projection, image, training)))
        value = self._positions(self._pooled(_project(self.value_projection, image, training)))
        heads = [ops.expand_dims(x, 1) for x in (query, key, value)]  # one each
        without_table = can_run_blockwise(*heads, self.implementation)
        if return_attention_scores or not without_table:
            weights = softmax(self.score.compare(query, key))
        if without_table:
            visible = StructuredMask(ops.shape(query)[1], ops.shape(key)[1])
            options = {"implementation": self.implementation, "dtype": self.compute_dtype}
            context = dot_attention(*heads, visible, **options)[:, 0]
        else:
            context = weighted_sum(weights, value)
        if self.output_projection is not None:
            context = _project(self.output_projection, context, training)
        context = self._as_given(ops.reshape(context, ops.shape(image)))
        output = ops.add(ops.multiply(context, self.gamma), at_least_float32(inputs))
        output = ops.cast(output, self.compute_dtype)
        if return_attention_scores:
            return output, ops.cast(weights, self.compute_dtype)
        return output

    def _convolution(self, name, channels, width):
        dtype = score_dtype(self.compute_dtype)
        layer = keras.layers.Dense(
            width,
            use_bias=False,
            kernel_initializer=clone_initializer(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            dtype=dtype,
            name=name,
        )
        if self.spectral_normalization:
            layer = keras.layers.SpectralNormalization(layer, dtype=dtype, name=name)
        layer.build((None, None, None, channels))
        return layer

    def _channels_last(self, image):
        return image if self.data_format == "channels_last" else ops.transpose(image, (0, 2, 3, 1))

    def _as_given(self, image):
        return image if self.data_format == "channels_last" else ops.transpose(image, (0, 3, 1, 2))

    def _pooled(self, image):
        if not self.pool_keys:
            return image
        return ops.max_pool(image, 2, 2, padding="same", data_format="channels_last")

    def _positions(self, image):
        _, height, width, channels = ops.shape(image)
        # An unknown batch is the one size that is left: ONNX's converter gets others wrong.
        batch = -1 if image.shape[0] is None else image.shape[0]
        return ops.reshape(image, (batch, height * width, channels))

    def _channels(self, shape):
        is_last = self.data_format == "channels_last"
        channels = shape[-1 if is_last else 1] if len(shape) == 4 else None
        if channels is None:
            axes = "height, width, channels" if is_last else "channels, height, width"
            raise ValueError(
                f"Expected `inputs` of shape (batch, {axes}) with known channels. "
                f"Received: inputs of shape {tuple(shape)}"
            )
        return channels

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, inputs, return_attention_scores=False, training=None):
        output = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention_scores:
            return output
        sizes = inputs.shape[1:3] if self.data_format == "channels_last" else inputs.shape[2:]
        pooled = [None if n is None else -(-n // 2) for n in sizes] if self.pool_keys else sizes
        counts = [None if None in (h, w) else h * w for h, w in (sizes, pooled)]
        return output, keras.KerasTensor((inputs.shape[0], *counts), self.compute_dtype)

    def get_config(self):
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
    """Apply a projection; a frozen one runs as in inference.

    In training, Keras's spectral normalization assigns the kernel outside of the gradient.
    """
    return projection(image, training=training and projection.trainable)
