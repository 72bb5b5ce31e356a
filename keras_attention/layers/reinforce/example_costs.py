"""The cost of each example in a compiled Keras loss.

REINFORCE rewards the samples of an example by that example's own cost, but a compiled loss returns
one number for the batch. `ExampleCosts` computes the costs whose mean is that number.
"""

import keras
from keras import ops


class ExampleCosts:
    """Per-example costs whose mean over the whole batch is the compiled loss.

    Args:
        loss: The `loss` passed to `compile`: a name, a function or a `keras.losses.Loss` for all
            outputs, or a list or dict with one for each output (None = no loss for that output).
        loss_weights: The `loss_weights` passed to `compile`, in the same forms; None = 1.
        outputs: The model's outputs: a tensor, a list or tuple, or a dict of tensors.
        names: The names of the outputs, if they are not a dict.

    Raises:
        ValueError: If loss and outputs do not match, if a loss has no reduction, or if one is
            given as "crossentropy" or "ce".
    """

    def __init__(self, loss, loss_weights, outputs, names):
        self.names = list(outputs) if isinstance(outputs, dict) else list(names)
        losses = self._by_output("loss", loss)
        self.losses = {
            name: _as_loss(output_loss)
            for name, output_loss in losses.items()
            if output_loss is not None
        }
        self.loss_weights = self._by_output("loss_weights", loss_weights)
        if not self.losses:
            raise ValueError(
                "Expected `loss` in compile, since samples are rewarded by its negative. "
                f"Received: loss={loss!r}"
            )

    def __call__(self, y, y_pred, sample_weight=None):
        """Compute the costs `(batch,)`.

        Args:
            y: Targets, a tensor or a structure with one for each output.
            y_pred: The model's outputs. A Keras mask that they carry is applied as in the loss.
            sample_weight: As passed by `fit`: None, one for all outputs, or one for each output.
        """
        targets, predictions = self._by_output("y", y), self._by_output("y_pred", y_pred)
        sample_weights = self._by_output("sample_weight", sample_weight)
        costs = []
        for name, loss in self.losses.items():
            cost = _per_example_loss(loss, targets[name], predictions[name], sample_weights[name])
            weight = self.loss_weights[name]
            costs.append(cost if weight is None else ops.multiply(cost, weight))
        return sum(costs)

    def _by_output(self, argument, value):
        """Return `value` as a dict by output names; a value that is not nested is repeated."""
        if isinstance(value, dict) and set(value) <= set(self.names):
            return {name: value.get(name) for name in self.names}
        if isinstance(value, (list, tuple)) and len(value) == len(self.names):
            return dict(zip(self.names, value, strict=True))
        if isinstance(value, (dict, list, tuple)):
            raise ValueError(
                f"Expected `{argument}` for each of the outputs {self.names} or by their names. "
                f"Received: {argument}={value!r}"
            )
        return dict.fromkeys(self.names, value)


class _WithReduction(keras.losses.Loss):
    """A loss with another reduction. Keras still applies sample weights and masks."""

    def __init__(self, loss, reduction):
        super().__init__(name=loss.name, reduction=reduction, dtype=loss.dtype)
        self.loss = loss

    def call(self, y_true, y_pred):
        return self.loss.call(y_true, y_pred)


class _UnitLoss(_WithReduction):
    """A loss whose elements are all 1, so that its reduced value reveals the divisor."""

    def call(self, y_true, y_pred):
        # This is a layer, not just `ops.ones_like`, because a layer propagates the Keras mask that
        # a loss with `ignore_class` sets on its elements.
        ones = keras.layers.Activation(ops.ones_like, dtype=self.dtype, name="ones")
        return ones(super().call(y_true, y_pred))


def _per_example_loss(loss, y, y_pred, sample_weight):
    call_arguments = y, y_pred, sample_weight
    elements = _WithReduction(loss, None)(*call_arguments)
    if len(elements.shape) == 0:
        raise ValueError(
            "Expected a loss that gives a number for each example, since each is rewarded by its "
            f"own cost. Received: loss={loss!r}, which gives a scalar"
        )
    per_example = ops.sum(elements, axis=tuple(range(1, len(elements.shape))))
    # A reduction divides the sum of all elements by a number that depends on the kind of reduction,
    # the mask and the weights. To find this number, set all elements to 1: it is their sum divided
    # by their reduced loss. With the actual elements, this quotient could be 0 / 0.
    reduced = _UnitLoss(loss, loss.reduction)(*call_arguments)
    total = ops.sum(_UnitLoss(loss, None)(*call_arguments))
    examples = ops.multiply(ops.cast(ops.shape(per_example)[0], "float32"), replica_count())
    examples = ops.cast(examples, per_example.dtype)
    return ops.multiply(per_example, ops.multiply(examples, ops.divide_no_nan(reduced, total)))


def replica_count():
    """Return the number of `tf.distribute` replicas, 1 outside of a strategy.

    Keras has no backend-independent API for this number, but divides every mean loss by it, so that
    the losses of the replicas sum to the loss of the whole batch. A mean loss of a constant 1 is
    therefore 1 / replicas.
    """
    one_over_replicas = keras.losses.MeanAbsoluteError(dtype="float32")([[1.0]], [[0.0]])
    return ops.divide(1.0, one_over_replicas)


def _as_loss(loss):
    if str(loss).lower() in ("crossentropy", "ce"):
        raise ValueError(
            "Expected `loss` to name a crossentropy: 'binary_crossentropy', "
            "'categorical_crossentropy' or 'sparse_categorical_crossentropy'. Keras would choose "
            f"one of them from the targets, which are not known yet. Received: loss={loss!r}"
        )
    loss = keras.losses.get(loss)
    if not isinstance(loss, keras.losses.Loss):
        # Keras's wrapper of loss functions aligns the ranks of targets and predictions. It is not
        # public, but its subclasses are, so one of these wraps the function.
        wrapper = keras.losses.MeanSquaredError()
        wrapper.fn, loss = loss, wrapper
    if loss.reduction in (None, "none"):
        raise ValueError(
            "Expected a loss with a reduction. Received: "
            f"loss={loss!r}, reduction={loss.reduction!r}"
        )
    return loss
