"""Patch embedding: an image as a sequence of vectors, as in the Vision Transformer."""

from typing import Any, Literal

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.layers.positions.positional_encoding import PositionalEncoding
from keras_attention.precision import clip_input, saturate_cast, score_dtype
from keras_attention.tensors import check_tensors
from keras_attention.types import Config, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class PatchEmbedding(DenseInputsLayer):
    """Cuts an image into square patches, and projects each of them to a vector.

    score: none; mask: none; normalize: none; read: none, it turns an image into a sequence.

        output[0]     = class_token + positions[0]
        output[1 + n] = patch_n kernel + bias + positions[1 + n]                      (equation 1)

    `patch_n` is the n-th patch in row-major order, flattened in the order row, column, channel.
    Without the class token, the patches start at 0. The projection equals a convolution whose
    kernel and strides have the size of a patch.

    Weights, in this order: `kernel` (patch patch C, width), `bias` (width,), `class_token` (width,)
    if there is one, and `positions` (T, width) if they are learned. They are the same for both data
    formats.

    Args:
        patch: Side of a patch in pixels.
        width: Width of the output.
        class_token: Whether to put a learned vector before the patches. After the Transformer
            blocks, the vector at its position is the input of the classifier.
        positions: "learned" adds a learned vector at each position; the layer then accepts only
            images of the size that it was built with. "sinusoidal" adds the sines and cosines of
            `PositionalEncoding`, which have no weights.
        data_format: "channels_last" or "channels_first"; None = Keras's default.
        kernel_initializer: Initializer of `kernel`.
        bias_initializer: Initializer of `bias`.
        class_token_initializer: Initializer of `class_token`.
        positions_initializer: Initializer of `positions`.
        kernel_regularizer: Regularizer of `kernel`.

    Call arguments:
        inputs: `(batch, H, W, C)`, or `(batch, C, H, W)` with "channels_first"; H, W and C are
            known, and H and W are multiples of `patch`.

    Returns:
        `(batch, T, width)`, where T = (H / patch) (W / patch), plus 1 with the class token.

    Raises:
        ValueError: If an argument or the inputs' shape is invalid.

    Example:
    >>> images = np.ones((2, 8, 12, 3), "float32")
    >>> keras_attention.PatchEmbedding(patch=4, width=16)(images).shape
    TensorShape([2, 7, 16])

    Differs from the paper: no dropout after the sum. Keras's "random_normal" has a standard
    deviation of 0.05; the paper's code initializes the learned positions with one of 0.02.

    Reference:
        An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale, Dosovitskiy et
        al. (2020), section 3.1, https://arxiv.org/abs/2010.11929.
    """

    def __init__(
        self,
        patch: int,
        width: int,
        class_token: bool = True,
        positions: Literal["learned", "sinusoidal"] = "learned",
        data_format: Literal["channels_last", "channels_first"] | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        class_token_initializer: Initializer = "zeros",
        positions_initializer: Initializer = "random_normal",
        kernel_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.patch = arguments.positive_integer("patch", patch)
        self.width = arguments.positive_integer("width", width)
        self.class_token = arguments.boolean("class_token", class_token)
        self.positions = arguments.one_of("positions", positions, ("learned", "sinusoidal"))
        self.data_format = arguments.one_of(
            "data_format",
            keras.config.image_data_format() if data_format is None else data_format,
            ("channels_last", "channels_first"),
        )
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.bias_initializer = get_initializer("bias_initializer", bias_initializer)
        self.class_token_initializer = get_initializer(
            "class_token_initializer", class_token_initializer
        )
        self.positions_initializer = get_initializer("positions_initializer", positions_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        self.encode = None
        if self.positions == "sinusoidal":
            self.encode = PositionalEncoding(dtype=score_dtype(self.compute_dtype), name="encode")
        self.built_size = None  # (H, W, C)

    def build(self, input_shape: Shape) -> None:
        self.built_size = self._check_shape(input_shape)
        vector = {"shape": (self.width,), "autocast": False}
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.patch**2 * self.built_size[-1], self.width),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            autocast=False,
        )
        self.bias = self.add_weight(name="bias", initializer=self.bias_initializer, **vector)
        self.class_vector = self.position_vectors = None
        if self.class_token:
            self.class_vector = self.add_weight(
                name="class_token", initializer=self.class_token_initializer, **vector
            )
        output_shape = self.compute_output_shape(input_shape)
        if self.encode is None:
            self.position_vectors = self.add_weight(
                name="positions",
                shape=output_shape[1:],
                initializer=self.positions_initializer,
                autocast=False,
            )
        else:
            self.encode.build(output_shape)

    def call(self, inputs: Tensor) -> Tensor:
        check_tensors("inputs", inputs)
        height, width, channels = self._check_shape(inputs.shape)
        patches = self._split_into_patches(
            ops.cast(inputs, self.compute_dtype), height, width, channels
        )
        dtype = score_dtype(self.compute_dtype)
        vectors = project(clip_input(patches), self.kernel, self.bias, dtype)
        if self.class_vector is not None:
            # A broadcast of zeros, because the batch size may be unknown.
            token = ops.zeros_like(vectors[:, :1]) + ops.cast(self.class_vector, dtype)
            vectors = ops.concatenate([token, vectors], axis=1)
        if self.encode is None:
            vectors = vectors + ops.cast(self.position_vectors, dtype)
        else:
            vectors = self.encode(vectors)
        return saturate_cast(vectors, self.compute_dtype)

    def _split_into_patches(self, image, height, width, channels):
        """Reshape images to patches `(batch, patches, patch * patch * C)`."""
        rows, columns, side = height // self.patch, width // self.patch, self.patch
        if self.data_format == "channels_last":
            grid = ops.reshape(image, (-1, rows, side, columns, side, channels))
            grid = ops.transpose(grid, (0, 1, 3, 2, 4, 5))
        else:
            grid = ops.reshape(image, (-1, channels, rows, side, columns, side))
            grid = ops.transpose(grid, (0, 2, 4, 3, 5, 1))
        return ops.reshape(grid, (-1, rows * columns, side * side * channels))

    def _check_shape(self, shape):
        """Return height, width and channels; raise a ValueError if the layer does not take them."""
        is_last = self.data_format == "channels_last"
        axes = "height, width, channels" if is_last else "channels, height, width"
        if len(shape) != 4 or None in shape[1:]:
            raise ValueError(
                f"Expected `inputs` of shape (batch, {axes}) with known {axes}: resize or crop "
                f"images to one size. Received: inputs of shape {tuple(shape)}"
            )
        height, width, channels = shape[1:] if is_last else (*shape[2:], shape[1])
        for name, size in (("height", height), ("width", width)):
            if size % self.patch or size == 0:
                raise ValueError(
                    f"Expected `inputs` (batch, {axes}) whose {name} is a multiple of "
                    f"patch={self.patch}: crop, pad or resize the images. "
                    f"Received: {name}={size}, inputs of shape {tuple(shape)}"
                )
        self._check_built_size(height, width, channels)
        return height, width, channels

    def _check_built_size(self, *size):
        if self.built_size is None:
            return
        count = 1 if self.positions == "sinusoidal" else 3  # the channels, or the whole size
        if size[-count:] != self.built_size[-count:]:
            raise ValueError(
                "Expected `inputs` with the (height, width, channels) that the layer was built "
                f"with, {self.built_size} ('sinusoidal' positions accept another height and "
                f"width). Received: inputs with {size}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        height, width, _ = self._check_shape(input_shape)
        patches = (height // self.patch) * (width // self.patch)
        return input_shape[0], patches + self.class_token, self.width

    def compute_output_spec(self, inputs: Tensor) -> keras.KerasTensor:
        check_tensors("inputs", inputs)
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "patch": self.patch,
            "width": self.width,
            "class_token": self.class_token,
            "positions": self.positions,
            "data_format": self.data_format,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "class_token_initializer": keras.initializers.serialize(self.class_token_initializer),
            "positions_initializer": keras.initializers.serialize(self.positions_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
