"""Wrapper that applies a layer of sequences to each of many sequences, masks included."""

import inspect
from typing import Any

import keras
from keras import ops, tree

from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.layers.call_arguments.sequence_masks import prepare_mask
from keras_attention.tensors import check_tensors
from keras_attention.types import Layer, Nest, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class EachStep(DenseInputsLayer, keras.layers.Wrapper):
    """Applies a layer for `(batch, T, D)` to `(batch, S, T, D)`: to each of S sequences.

    score: that of `layer`; mask: that of `layer`; normalize: that of `layer`; read: that of
    `layer`, at each of S steps.

        output[b, s] = layer(inputs[b, s], mask=mask[b, s])

    For example, the words of each sentence of a document are encoded by
    `EachStep(Bidirectional(GRU(...)))`. All sequences are one batch `(batch * S, T, D)` of a single
    call. The weights are those of `layer`.

    Args:
        layer: A layer that takes one tensor `(batch, T, D)`, and optionally `mask` and `training`.
            Its outputs have the batch as their first axis.

    Call arguments:
        inputs: `(batch, S, T, D)`.
        mask: Keras mask `(batch, S, T)`, True = a real step of a sequence. It is passed to the
            layer, if that takes a `mask`.
        return_attention_scores: Whether to return the weights too; only for a layer whose call has
            this argument.
        training: Passed to the layer, if that takes `training`.

    Returns:
        The outputs of the layer, each with the axes `(batch, S)` in place of the batch. If the
        inputs have a Keras mask, then so has the output: the layer's own one, such as
        `(batch, S, T)` of a recurrent layer that returns sequences; for an output of one vector per
        sequence `(batch, S, units)`, the mask `(batch, S)` of the sequences with a real step.

    Raises:
        ValueError: If `layer` is not a Keras layer, if the inputs do not have four axes, if a mask
            does not fit, or if the layer does not take `return_attention_scores`.

    Example:
    >>> words = np.ones((2, 4, 7, 16), "float32")  # documents, sentences, words, width
    >>> encode = keras_attention.EachStep(keras.layers.GRU(5, return_sequences=True))
    >>> encode(words).shape
    TensorShape([2, 4, 7, 5])

    Differs from `keras.layers.TimeDistributed`, which passes the masks of all sequences to each
    call of its layer, and does not return the layer's mask.

    Reference:
        Hierarchical Attention Networks for Document Classification, Yang et al. (2016), section
        2.2, https://aclanthology.org/N16-1174.
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        if not isinstance(layer, keras.layers.Layer):
            raise ValueError(f"Expected `layer` to be a Keras layer. Received: layer={layer!r}")
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self._check_shape(input_shape)
        if not self.layer.built:
            self.layer.build((None, *input_shape[2:]))
        self.built = True

    def call(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Nest:
        mask = self._check_call(inputs, mask, return_attention_scores)
        options = {"training": training, "mask": None if mask is None else merge_steps(mask)}
        options = {
            name: value
            for name, value in options.items()
            if value is not None and self._has_argument(name)
        }
        if return_attention_scores:
            options["return_attention_scores"] = True
        outputs = self.layer(merge_steps(inputs), **options)
        return tree.map_structure(lambda x: split_steps(x, inputs), outputs)

    def _check_shape(self, shape):
        if len(shape) != 4:
            raise ValueError(
                "Expected `inputs` (batch, S, T, D): S sequences of vectors per sample. "
                f"Received: inputs of shape {tuple(shape)}"
            )

    def _check_call(self, inputs, mask, return_attention_scores):
        """Return the mask as a bool tensor or None; raise a ValueError if an argument is wrong."""
        check_tensors("inputs", inputs)
        self._check_shape(inputs.shape)
        if return_attention_scores and not self._has_argument("return_attention_scores"):
            raise ValueError(
                "Expected `return_attention_scores=False` for a layer without this argument. "
                f"Received: return_attention_scores=True, layer={self.layer!r}"
            )
        return prepare_mask("mask", mask, inputs)

    def _has_argument(self, name):
        return name in inspect.signature(self.layer.call).parameters

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | None:
        if mask is None:
            return None
        mask = prepare_mask("mask", mask, inputs)
        output = tree.flatten(self._compute_spec(inputs.shape))[0]
        if len(output.shape) == 3:
            return ops.any(mask, axis=-1)
        if not self.layer.supports_masking:
            return None
        is_symbolic = isinstance(mask, keras.KerasTensor)
        merge, split = (_MergeSteps(), _SplitSteps()) if is_symbolic else (merge_steps, split_steps)
        merged = merge(mask)
        new_mask = tree.flatten(self.layer.compute_mask(merge(inputs), merged))[0]
        if new_mask is merged:  # the layer hands its mask on
            return mask
        return None if new_mask is None else split(new_mask, mask)

    def compute_output_shape(self, input_shape: Shape) -> Any:
        return tree.map_structure(lambda x: tuple(x.shape), self._compute_spec(input_shape))

    def compute_output_spec(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Nest:
        self._check_call(inputs, mask, return_attention_scores)
        options = {"return_attention_scores": True} if return_attention_scores else {}
        return self._compute_spec(inputs.shape, **options)

    def _compute_spec(self, shape, **options):
        batch = None if None in shape[:2] else shape[0] * shape[1]
        inputs = keras.KerasTensor((batch, *shape[2:]), self.compute_dtype)
        return tree.map_structure(
            lambda x: keras.KerasTensor((*shape[:2], *x.shape[1:]), x.dtype),
            self.layer.compute_output_spec(inputs, **options),
        )


def merge_steps(x: Tensor) -> Tensor:
    """Reshape `(batch, S, ...)` to `(batch * S, ...)`."""
    batch, steps, *rest = ops.shape(x)
    return ops.reshape(x, (batch * steps, *rest))


def split_steps(x: Tensor, inputs: Tensor) -> Tensor:
    """Reshape `(batch * S, ...)` to `(batch, S, ...)`, the first two axes of `inputs`."""
    return ops.reshape(x, (*ops.shape(inputs)[:2], *ops.shape(x)[1:]))


@keras.saving.register_keras_serializable(package="keras_attention", name="MergeSteps")
class _MergeSteps(keras.Operation):
    """The function `merge_steps` for the masks of a functional model.

    Keras stores the computation of masks in the model. `ops.reshape` would store the sizes too, of
    which several are unknown.
    """

    def call(self, x: Tensor) -> Tensor:
        return merge_steps(x)

    def compute_output_spec(self, x: Tensor) -> keras.KerasTensor:
        batch = None if None in x.shape[:2] else x.shape[0] * x.shape[1]
        return keras.KerasTensor((batch, *x.shape[2:]), x.dtype)


@keras.saving.register_keras_serializable(package="keras_attention", name="SplitSteps")
class _SplitSteps(keras.Operation):
    """The function `split_steps` for the masks of a functional model."""

    def call(self, x: Tensor, inputs: Tensor) -> Tensor:
        return split_steps(x, inputs)

    def compute_output_spec(self, x: Tensor, inputs: Tensor) -> keras.KerasTensor:
        return keras.KerasTensor((*inputs.shape[:2], *x.shape[1:]), x.dtype)
