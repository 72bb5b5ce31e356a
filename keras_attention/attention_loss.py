"""Supervised attention: a loss for attention weights that a model returns as an output."""

from typing import Any, Literal

import keras
from keras import ops

from keras_attention import arguments
from keras_attention.normalize.sample import log
from keras_attention.types import Config, Tensor

DISTANCES = ("squared", "cross_entropy", "divergence")
Distance = Literal["squared", "cross_entropy", "divergence"]


@keras.saving.register_keras_serializable(package="keras_attention")
class AttentionLoss(keras.losses.Loss):
    """Distance of attention weights from target weights, one for each row of weights.

        "squared":        sum_j (weights_j - target_j)^2
        "cross_entropy":  -sum_j p_j log weights_j              with p = target / sum(target)
        "divergence":     sum_j p_j (log p_j - log weights_j)

    A row whose targets are all zero, or whose integer target is -1, does not count: its loss and
    its gradient are zero, and means are taken over the rows that count. So steps without a target,
    such as padding, can stay in the batch. Logarithms are those of `max(weights, 1e-30)`.

    Args:
        distance: "squared", "cross_entropy" or "divergence".
        reduction: As in `keras.losses.Loss`; the default is the mean.
        name: Name of the loss.
        dtype: Dtype of the computation; None = `keras.config.floatx()`.

    Call arguments:
        y_true: Target weights, of the shape of `y_pred`; or, unless `distance` is "squared",
            integer targets without the last axis: the index of the key that should have all weight.
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
        self.distance = arguments.one_of("distance", distance, DISTANCES)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        target = self._prepare_target(y_true, y_pred)
        total = ops.sum(target, axis=-1, keepdims=True)
        is_counted = ops.squeeze(ops.greater(total, 0), axis=-1)
        if self.distance == "squared":
            losses = ops.sum(ops.square(ops.subtract(y_pred, target)), axis=-1)
        else:
            target = ops.divide(target, ops.where(ops.greater(total, 0), total, 1))
            gain = log(y_pred)
            if self.distance == "divergence":
                gain = ops.subtract(gain, log(target))
            losses = ops.negative(ops.sum(ops.multiply(target, gain), axis=-1))
        losses = ops.where(is_counted, losses, ops.zeros_like(losses))
        if self.reduction in ("sum", "none", None):
            return losses
        # Keras divides by the number of all rows.
        return ops.divide(losses, ops.maximum(ops.mean(ops.cast(is_counted, losses.dtype)), 1e-30))

    def _prepare_target(self, y_true, y_pred):
        """Return target weights of the shape of `y_pred`."""
        shape, expected = tuple(y_true.shape), tuple(y_pred.shape)
        if self.distance != "squared" and _is_compatible(shape, expected[:-1]):
            # Keras converts integer targets to floats. The one-hot row of the target -1 is zero.
            keys = ops.arange(ops.shape(y_pred)[-1], dtype=y_true.dtype)
            return ops.cast(ops.equal(ops.expand_dims(y_true, -1), keys), y_pred.dtype)
        if _is_compatible(shape, expected):
            return y_true
        integers = "" if self.distance == "squared" else f", or integers of shape {expected[:-1]}"
        raise ValueError(
            f"Expected `y_true` of the shape {expected} of the attention weights{integers}. "
            f"Received: y_true of shape {shape}"
        )

    def get_config(self) -> Config:
        return {**super().get_config(), "distance": self.distance}


def _is_compatible(shape, expected):
    return len(shape) == len(expected) and all(
        None in (m, n) or m == n for m, n in zip(shape, expected, strict=True)
    )
