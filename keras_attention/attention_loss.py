"""Supervised attention: a loss for attention weights that a model returns as an output."""

from typing import Any, Literal

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.normalize.sample import log
from keras_attention.precision import HALF_PRECISION, at_least_float32
from keras_attention.tensors import is_compatible, keras_mask
from keras_attention.types import Config, Tensor

DISTANCES = ("squared", "cross_entropy", "divergence")
Distance = Literal["squared", "cross_entropy", "divergence"]


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionLoss(keras.losses.Loss):
    """Distance of attention weights from target weights, one for each row of weights.

        "squared":        sum_j (weights_j - target_j)^2
        "cross_entropy":  -sum_j p_j log weights_j              with p = target / sum(target)
        "divergence":     sum_j p_j (log p_j - log weights_j)

    A row whose targets are all zero, or whose integer target is not the index of a key, such as -1,
    does not count: its loss and its gradient are zero, and means are taken over the rows that
    count, of those that a Keras mask of `y_pred` leaves. So steps without a target, such as
    padding, can stay in the batch. Logarithms are those of `max(weights, 1e-30)`.

    Args:
        distance: "squared", "cross_entropy" or "divergence".
        reduction: As in `keras.losses.Loss`, except "mean_with_sample_weight"; the default is the
            mean.
        name: Name of the loss.
        dtype: Dtype of the computation; None = `keras.config.floatx()`. Half precision is computed
            in float32.

    Call arguments:
        y_true: Target weights, of the shape of `y_pred`, at least 0 with "cross_entropy" and
            "divergence", which also accept integer targets without the last axis: the index of the
            key that should have all weight.
        y_pred: Attention weights `(batch, ..., Tk)`.

    Raises:
        ValueError: If an argument is invalid, or the shape of `y_true` does not fit.

    Example:
    >>> loss = keras_attention.AttentionLoss("cross_entropy")
    >>> weights = np.array([[[0.25, 0.75], [0.5, 0.5]]], "float32")  # of two queries
    >>> float(loss(np.array([[1, -1]]), weights)) == float(-np.log(np.float32(0.75)))
    True

    Differs from the papers, which do not divide by the number of rows.

    Reference:
        "squared": Sequence Classification with Human Attention, Barrett et al. (2018), equation 11,
        https://aclanthology.org/K18-1030; "cross_entropy": Linguistically-Informed Self-Attention,
        Strubell et al. (2018), https://arxiv.org/abs/1804.08199.
    """

    def __init__(
        self,
        distance: Distance = "squared",
        reduction: str | None = "sum_over_batch_size",
        name: str = "attention_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if reduction == "mean_with_sample_weight":
            raise ValueError(
                "Expected `reduction` to be 'sum_over_batch_size', 'mean', 'sum', 'none' or None; "
                "means are taken over the rows that count, so give the others no sample weight. "
                f"Received: reduction={reduction!r}"
            )
        if self.dtype in HALF_PRECISION:
            super().__init__(name=name, reduction=reduction, dtype="float32")
        self.distance = arguments.one_of("distance", distance, DISTANCES)

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        # Keras would convert integer targets to the dtype of the loss, which has fewer digits.
        target = self._prepare_target(y_true, y_pred)
        loss = super().__call__(target, y_pred, sample_weight)
        if self.reduction in ("sum", "none", None):
            return loss
        # Keras divides by the number of all rows that its mask leaves.
        is_counted = ops.cast(_has_target(target), loss.dtype)
        mask = keras_mask(y_pred)
        mask = ops.ones_like(is_counted) if mask is None else ops.cast(mask, loss.dtype)
        rows = ops.sum(ops.multiply(ops.ones_like(is_counted), mask))
        counted = ops.sum(ops.multiply(is_counted, mask))
        return ops.multiply(loss, ops.divide(rows, ops.maximum(counted, 1)))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        target = self._prepare_target(y_true, y_pred)
        is_counted = _has_target(target)[..., None]
        # A NaN in a row that does not count would make the gradient NaN.
        y_pred = ops.where(is_counted, y_pred, ops.zeros_like(y_pred))
        if self.distance == "squared":
            return ops.sum(ops.square(ops.subtract(y_pred, target)), axis=-1)
        total = ops.sum(target, axis=-1, keepdims=True)
        target = ops.divide(target, ops.where(is_counted, total, ops.ones_like(total)))
        gain = log(y_pred)
        if self.distance == "divergence":
            gain = ops.subtract(gain, log(target))
        return ops.negative(ops.sum(ops.multiply(target, gain), axis=-1))

    def _prepare_target(self, y_true, y_pred):
        """Return target weights of the shape of `y_pred` and the dtype of the loss."""
        y_true = ops.convert_to_tensor(y_true)
        shape, expected = tuple(y_true.shape), tuple(ops.convert_to_tensor(y_pred).shape)
        if self.distance != "squared" and is_compatible(shape, expected[:-1]):
            if keras.backend.is_float_dtype(keras.backend.standardize_dtype(y_true.dtype)):
                y_true = at_least_float32(y_true)
            # The one-hot row of a target that is not the index of a key is zero.
            keys = ops.arange(ops.shape(y_pred)[-1], dtype="int32")
            return ops.cast(ops.equal(ops.expand_dims(y_true, -1), keys), self.dtype)
        if is_compatible(shape, expected):
            return ops.cast(y_true, self.dtype)
        integers = "" if self.distance == "squared" else f", or integers of shape {expected[:-1]}"
        raise ValueError(
            f"Expected `y_true` of the shape {expected} of the attention weights{integers}. "
            f"Received: y_true of shape {shape}"
        )

    def get_config(self) -> Config:
        return {**super().get_config(), "distance": self.distance, "dtype": self.dtype}


def _has_target(target):
    """Return which rows count, bool `(batch, ...)`."""
    return ops.any(ops.not_equal(target, 0), axis=-1)
