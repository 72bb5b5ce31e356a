"""Attention pooling with a learned query, as in hierarchical attention networks."""

from typing import Any

import keras
from keras import ops

import keras_attention.normalize
from keras_attention import arguments
from keras_attention.kernels.matmul import project
from keras_attention.layer_arguments import check_seed, get_initializer, get_regularizer
from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.layers.call_arguments.sequence_masks import prepare_mask
from keras_attention.layers.dropout import Dropout
from keras_attention.mask import hide, padding
from keras_attention.precision import clip_input, score_dtype
from keras_attention.read import weighted_sum
from keras_attention.tensors import ONE_VECTOR, check_tensors
from keras_attention.types import Config, Initializer, Normalizer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionPooling(DenseInputsLayer):
    """Pools a sequence into one vector, by attention with a learned query u.

    score: dot with a learned query; mask: padding; normalize: any; read: weighted sum.

        hidden_j  = tanh(inputs_j W + b)
        weights   = normalize(hidden . u, mask)
        output    = sum_j weights_j inputs_j

    Weights, in this order: `kernel` (D, units), `bias` (units,), `query` (units,).

    Args:
        units: Width of the hidden layer and of the query; None = the input's width.
        dropout: Fraction of the weights to drop in training, in [0, 1).
        seed: Seed of the dropout, an int or None.
        kernel_initializer: Initializer of W.
        bias_initializer: Initializer of b.
        query_initializer: Initializer of u; with "zeros" the layer starts with equal weights.
        kernel_regularizer: Regularizer of W.
        normalize: "softmax", "sparsemax", "hardmax", or a function `(scores, mask) -> weights`, as
            in `keras_attention.Attention`.

    Call arguments:
        inputs: `(batch, ..., T, D)`: sequences of vectors, with any number of batch axes, such as
            the words of each sentence of a document, `(batch, sentences, words, D)`.
        mask: Keras mask `(batch, ..., T)`, True = a real step. A fully masked sequence gives zeros.
            For inputs of rank 4 or more the output has a Keras mask, which is False for such a
            sequence.
        return_attention_scores: Whether to return the weights too.
        training: Whether to apply dropout to the weights.

    Returns:
        `(batch, ..., D)`, and with `return_attention_scores` the weights `(batch, ..., T)` before
        dropout.

    Raises:
        ValueError: If an argument, or the shape of the inputs or the mask, is invalid.

    Example:
    >>> words = np.ones((2, 4, 7, 16), "float32")  # documents, sentences, words, width
    >>> keras_attention.AttentionPooling()(words).shape
    TensorShape([2, 4, 16])

    Differs from the paper only if `normalize` is not "softmax".

    Reference:
        Hierarchical Attention Networks for Document Classification, Yang et al. (2016),
        equations 5 to 7, https://aclanthology.org/N16-1174.
    """

    def __init__(
        self,
        units: int | None = None,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        bias_initializer: Initializer = "zeros",
        query_initializer: Initializer = "glorot_uniform",
        kernel_regularizer: Regularizer = None,
        normalize: Normalizer | str = "softmax",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = arguments.positive_integer("units", units, optional=True)
        self.dropout = arguments.rate("dropout", dropout)
        self.seed = check_seed("seed", seed)
        self.kernel_initializer = get_initializer("kernel_initializer", kernel_initializer)
        self.bias_initializer = get_initializer("bias_initializer", bias_initializer)
        self.query_initializer = get_initializer("query_initializer", query_initializer)
        self.kernel_regularizer = get_regularizer("kernel_regularizer", kernel_regularizer)
        self.normalize = keras_attention.normalize.get(normalize)
        self.drop = Dropout(self.dropout, seed=self.seed, dtype=score_dtype(self.compute_dtype))
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self._check_shape(input_shape)
        units = self.units or input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            autocast=False,
        )
        self.bias = self.add_weight(
            name="bias", shape=(units,), initializer=self.bias_initializer, autocast=False
        )
        self.query = self.add_weight(
            name="query", shape=(units,), initializer=self.query_initializer, autocast=False
        )

    def call(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        mask = self._check_call(inputs, mask)
        inputs = hide(ops.cast(inputs, self.compute_dtype), mask)
        dtype = score_dtype(self.compute_dtype)
        hidden = ops.tanh(project(clip_input(inputs), self.kernel, self.bias, dtype))
        scores = ops.swapaxes(ops.matmul(hidden, self.query[:, None]), -1, -2)
        weights = self.normalize(scores, padding(key_mask=mask))
        output = ops.squeeze(weighted_sum(self.drop(weights, training=training), inputs), -2)
        if return_attention_scores:
            return output, ops.cast(ops.squeeze(weights, -2), self.compute_dtype)
        return output

    def _check_shape(self, shape):
        if len(shape) < 3 or shape[-1] is None:
            raise ValueError(
                "Expected `inputs` of shape (batch, ..., T, D) with a known width. "
                f"Received: inputs of shape {tuple(shape)}. {ONE_VECTOR}"
            )

    def _check_call(self, inputs, mask):
        """Return the mask as a bool tensor or None; raise a ValueError if a shape does not fit."""
        check_tensors("inputs", inputs)
        self._check_shape(inputs.shape)
        if len(getattr(mask, "shape", ())) == len(inputs.shape):
            raise ValueError(
                f"Expected `mask` of shape {tuple(inputs.shape[:-1])}. "
                f"Received: mask of shape {tuple(mask.shape)}. A mask with one axis too many comes "
                "from `keras.layers.TimeDistributed`, which passes the whole mask of its inputs to "
                "every call: apply AttentionPooling to (batch, sentences, words, D) directly; its "
                "output then has a mask of the sentences."
            )
        return prepare_mask("mask", mask, inputs)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | None:
        if mask is None or len(inputs.shape) < 4:
            return None
        return ops.any(prepare_mask("mask", mask, inputs), axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-2], input_shape[-1])

    def compute_output_spec(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        self._check_call(inputs, mask)
        output = keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)
        if return_attention_scores:
            return output, keras.KerasTensor(inputs.shape[:-1], self.compute_dtype)
        return output

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "units": self.units,
            "dropout": self.dropout,
            "seed": self.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "query_initializer": keras.initializers.serialize(self.query_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "normalize": keras_attention.normalize.serialize(self.normalize),
        }
