"""Embedding of sentences as bags of words, optionally with an encoding of the words' positions."""

from typing import Any, Literal

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.integers import to_int32
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import get_initializer, get_regularizer
from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.mask import hide
from keras_attention.precision import at_least_float32, clip_input, saturate_cast
from keras_attention.tensors import check_tensors
from keras_attention.types import Config, Initializer, Regularizer, Shape, Tensor

ENCODINGS = ("authors", "paper", None)
PositionEncoding = Literal["authors", "paper"]


@keras.saving.register_keras_serializable(package="keras_attention")
class BagOfWords(DenseInputsLayer):
    """Embeds each sentence as the sum of its words' vectors, weighted by their positions.

    score: none; mask: padding; normalize: none; read: sum, weighted by position.

        output   = sum_j l_j * embeddings[ids_j]          (elementwise product)
        "authors":  l_jk = 1 + 4 (k - (d + 1) / 2) (j - (J + 1) / 2) / (d J)
        "paper":    l_jk = (1 - j / J) - (k / d) (1 - 2 j / J)
        None:       l_jk = 1

    j = 1 ... J is the position of a word, k = 1 ... d that of a component. Without position
    encoding, the order of the words has no effect.

    Weights: `embeddings` (size, width). The id 0 is padding: its vector is zero, whatever its row
    contains. Only `logits` use and train that row.

    Args:
        size: Number of ids, padding included.
        width: Width d of the vectors.
        position_encoding: "authors", "paper" or None. The encoding of the authors' code is twice
            the paper's, centered at the middle of the sentence and of the vector.
        max_length: J for all sentences, at least the length of the longest one, as in the authors'
            code. None = the number of words of each sentence, as in the paper.
        embeddings_initializer: Initializer of the embeddings. The paper's is
            `keras.initializers.RandomNormal(stddev=0.1)`.
        embeddings_regularizer: Regularizer of the embeddings.

    Call arguments:
        inputs: Integer ids `(batch, ..., J)`, padded with 0 after the last word.
        reverse: Whether to return the logits of vectors instead, as `logits` does.

    Returns:
        `(batch, ..., width)`; zeros for a sentence without words. An output of rank 3 or more has a
        Keras mask, which is False for such a sentence.

    Raises:
        ValueError: If an argument or a shape is invalid.

    Example:
    >>> layer = keras_attention.BagOfWords(9, width=2, embeddings_initializer="ones")
    >>> layer(np.array([[3, 5, 0]])).numpy()  # the encoding's means are 1
    array([[2., 2.]], dtype=float32)

    Differs from the paper, by default, in the position encoding.

    Reference:
        End-To-End Memory Networks, Sukhbaatar et al. (2015), section 4.1,
        https://arxiv.org/abs/1503.08895.
    """

    def __init__(
        self,
        size: int,
        width: int,
        position_encoding: PositionEncoding | None = "authors",
        max_length: int | None = None,
        embeddings_initializer: Initializer = "uniform",
        embeddings_regularizer: Regularizer = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = arguments.positive_integer("size", size)
        self.width = arguments.positive_integer("width", width)
        self.position_encoding = arguments.one_of("position_encoding", position_encoding, ENCODINGS)
        self.max_length = arguments.positive_integer("max_length", max_length, optional=True)
        self.embeddings_initializer = get_initializer(
            "embeddings_initializer", embeddings_initializer
        )
        self.embeddings_regularizer = get_regularizer(
            "embeddings_regularizer", embeddings_regularizer
        )
        self.supports_masking = True

    def build(self, input_shape: Shape | None = None) -> None:
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.size, self.width),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            autocast=False,
        )

    def call(self, inputs: Tensor, reverse: bool = False) -> Tensor:
        self._check_call(inputs, reverse)
        if reverse:
            vectors = clip_input(ops.cast(inputs, self.compute_dtype))
            return project(vectors, ops.transpose(self.embeddings))
        is_word = ops.not_equal(inputs, 0)
        vectors = ops.take(self.embeddings, to_int32(inputs), axis=0)
        # A masked vector has a gradient of zero, so that training never changes the row of id 0.
        vectors = hide(at_least_float32(vectors), is_word)
        if self.position_encoding is not None:
            vectors = vectors * self._encode_positions(is_word, vectors.dtype)
        return saturate_cast(ops.sum(vectors, axis=-2), self.compute_dtype)

    def logits(self, vectors: Tensor) -> Tensor:
        """Return the dot product of vectors with the embedding of each id.

        In a memory network with adjacent tying, the answer's matrix is that of the last memory.

        Args:
            vectors: `(batch, ..., width)`.

        Returns:
            `(batch, ..., size)`.
        """
        return self(vectors, reverse=True)

    def _encode_positions(self, is_word, dtype):
        """Return the factors of all components, `(batch or 1, ..., J, width)`."""
        words, width = is_word.shape[-1] or ops.shape(is_word)[-1], self.width
        position = ops.expand_dims(ops.cast(ops.arange(1, words + 1), dtype), -1)
        component = ops.cast(ops.arange(1, width + 1), dtype) / width
        length = self.max_length
        if length is None:
            length = ops.sum(ops.cast(is_word, dtype), axis=-1)[..., None, None]
            length = ops.maximum(length, 1)  # a sentence without words
        position = position / length
        if self.position_encoding == "paper":
            return (1 - position) - component * (1 - 2 * position)
        middle_component, middle_position = (width + 1) / (2 * width), (length + 1) / (2 * length)
        return 1 + 4 * (component - middle_component) * (position - middle_position)

    def _check_call(self, inputs, reverse):
        check_tensors("inputs", inputs)
        is_float = keras.backend.is_float_dtype(keras.backend.standardize_dtype(inputs.dtype))
        if reverse and inputs.shape[-1] != self.width:
            raise ValueError(
                f"Expected `inputs` (batch, ..., {self.width}) with reverse=True. "
                f"Received: inputs of shape {tuple(inputs.shape)}"
            )
        if not reverse and (is_float or len(inputs.shape) < 2):
            raise ValueError(
                "Expected `inputs` to be integer ids (batch, ..., J), the words of sentences. "
                f"Received: inputs of shape {tuple(inputs.shape)} and dtype {inputs.dtype}"
            )
        if not reverse and self.max_length and (inputs.shape[-1] or 0) > self.max_length:
            raise ValueError(
                f"Expected `inputs` of at most {self.max_length} words for each sentence, the "
                "layer's `max_length`. Give a larger `max_length`, or shorten the sentences. "
                f"Received: inputs of shape {tuple(inputs.shape)}"
            )

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | None:
        is_float = keras.backend.is_float_dtype(keras.backend.standardize_dtype(inputs.dtype))
        if is_float or len(inputs.shape) < 3:  # logits, or one sentence for each sample
            return None
        return ops.any(ops.not_equal(inputs, 0), axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.width)

    def compute_output_spec(self, inputs: Tensor, reverse: bool = False) -> keras.KerasTensor:
        self._check_call(inputs, reverse)
        width = self.size if reverse else self.width
        return keras.KerasTensor((*inputs.shape[:-1], width), self.compute_dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "size": self.size,
            "width": self.width,
            "position_encoding": self.position_encoding,
            "max_length": self.max_length,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": keras.regularizers.serialize(self.embeddings_regularizer),
        }
