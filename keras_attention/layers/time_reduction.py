"""Time reduction: concatenates neighboring steps, as in the pyramid of Listen, Attend and Spell."""

from typing import Any

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.layers.call_arguments.dense_inputs import DenseInputsLayer
from keras_attention.layers.call_arguments.sequence_masks import prepare_mask
from keras_attention.mask import hide
from keras_attention.tensors import ONE_VECTOR, check_tensors
from keras_attention.types import Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_attention")
class TimeReduction(DenseInputsLayer):
    """Shortens a sequence: each group of `factor` consecutive steps becomes one step.

    score: none; mask: padding; normalize: none; read: none, it concatenates neighboring steps.

        output[i] = [inputs[factor i]; inputs[factor i + 1]; ...; inputs[factor i + factor - 1]]

    An attention to the shorter sequence has fewer keys to choose from, each with a wider context:
    between the recurrent layers of an encoder, it makes long audio feasible. Steps that are masked,
    or are missing in the last group, are zero. The layer has no weights.

    Args:
        factor: Number of steps in a group, an int of at least 1. Defaults to 2.

    Call arguments:
        inputs: `(batch, T, D)`.
        mask: Keras mask `(batch, T)`, True = a real step. Masked steps become zero.

    Returns:
        `(batch, ceil(T / factor), factor * D)`. If the inputs have a Keras mask, then so has the
        output: a group is real if any of its steps is.

    Raises:
        ValueError: If an argument or a shape is invalid.

    Example:
    >>> frames = np.arange(6, dtype="float32").reshape(1, 3, 2)
    >>> keras_attention.TimeReduction(factor=2)(frames).numpy()
    array([[[0., 1., 2., 3.],
            [4., 5., 0., 0.]]], dtype=float32)

    Differs from the paper, which does not say what happens to a step that is left over.

    Reference:
        Listen, Attend and Spell, Chan et al. (2015), equation 5, https://arxiv.org/abs/1508.01211.
    """

    def __init__(self, factor: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = arguments.positive_integer("factor", factor)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self._check_shape(input_shape)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        mask = self._check_call(inputs, mask)
        inputs = hide(ops.cast(inputs, self.compute_dtype), mask)
        batch, steps, width = ops.shape(inputs)
        groups = self._count_groups(steps)
        padded = ops.pad(inputs, [(0, 0), (0, self.factor - 1), (0, 0)])
        padded = padded[:, : groups * self.factor]
        return ops.reshape(padded, (batch, groups, self.factor * width))

    def _count_groups(self, steps):
        return (steps + self.factor - 1) // self.factor

    def _check_shape(self, shape):
        if len(shape) != 3 or shape[-1] is None:
            raise ValueError(
                "Expected `inputs` (batch, T, width) with a known width. "
                f"Received: inputs of shape {tuple(shape)}. {ONE_VECTOR}"
            )

    def _check_call(self, inputs, mask):
        """Return the mask as a bool tensor or None; raise a ValueError if a shape does not fit."""
        check_tensors("inputs", inputs)
        self._check_shape(inputs.shape)
        return prepare_mask("mask", mask, inputs)

    def compute_mask(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor | None:
        if mask is None:
            return None
        mask = ops.cast(prepare_mask("mask", mask, inputs), "float32")
        # In a functional model Keras stores these operations: a reshape would need an unknown size.
        mask = ops.expand_dims(ops.pad(mask, [(0, 0), (0, self.factor - 1)]), -1)
        sizes = {"pool_size": self.factor, "strides": self.factor, "padding": "valid"}
        return ops.max_pool(mask, **sizes, data_format="channels_last")[..., 0] > 0

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, steps, width = input_shape
        groups = None if steps is None else self._count_groups(steps)
        return batch, groups, None if width is None else self.factor * width

    def compute_output_spec(self, inputs: Tensor, mask: Tensor | None = None) -> keras.KerasTensor:
        self._check_call(inputs, mask)
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "factor": self.factor}
