"""What a model's loss is made of, example by example."""

import keras
from keras import ops


class ExampleCosts:
    """Every example's share of a compiled loss: their mean over the whole batch is the loss.

    Args:
        loss: What `compile` got: a name, a function or a `keras.losses.Loss` for all outputs, or
            a list or dict of them by output (None leaves one out).
        loss_weights: The same for their weights; None is 1.
        outputs: The model's outputs: a tensor, a list or tuple, or a dict of tensors.
        names: The outputs' names, where they are not a dict.

    Raises:
        ValueError: If they do not go together, a loss has no reduction, or one is named
            "crossentropy" or "ce" only.
    """

    def __init__(self, loss, loss_weights, outputs, names):
        self.names = list(outputs) if isinstance(outputs, dict) else list(names)
        losses = self._by_output("loss", loss)
        self.losses = {name: _as_loss(each) for name, each in losses.items() if each is not None}
        self.loss_weights = self._by_output("loss_weights", loss_weights)
        if not self.losses:
            raise ValueError(
                "Expected `loss` in compile: its negative is what samples are rewarded by. "
                f"Received: loss={loss!r}"
            )

    def __call__(self, y, y_pred, sample_weight=None):
        """The costs `(batch,)`.

        Args:
            y: Targets, a tensor or by output.
            y_pred: The model's outputs. A Keras mask that they carry counts as in the loss.
            sample_weight: As `fit` hands it on: None, one for all outputs, or by output.
        """
        targets, predictions = self._by_output("y", y), self._by_output("y_pred", y_pred)
        sample_weights = self._by_output("sample_weight", sample_weight)
        costs = []
        for name, loss in self.losses.items():
            shares = _shares(loss, targets[name], predictions[name], sample_weights[name])
            weight = self.loss_weights[name]
            costs.append(shares if weight is None else ops.multiply(shares, weight))
        return sum(costs)

    def _by_output(self, argument, given):
        """`given` as a dict by the outputs' names; what is not nested is each output's."""
        if isinstance(given, dict) and set(given) <= set(self.names):
            return {name: given.get(name) for name in self.names}
        if isinstance(given, (list, tuple)) and len(given) == len(self.names):
            return dict(zip(self.names, given, strict=True))
        if isinstance(given, (dict, list, tuple)):
            raise ValueError(
                f"Expected `{argument}` for each of the outputs {self.names} or by their names. "
                f"Received: {argument}={given!r}"
            )
        return dict.fromkeys(self.names, given)


class _Parts(keras.losses.Loss):
    """Another loss in another reduction, weighted and masked as Keras does it."""

    def __init__(self, loss, reduction):
        super().__init__(name=loss.name, reduction=reduction, dtype=loss.dtype)
        self.loss = loss

    def call(self, y_true, y_pred):
        return self.loss.call(y_true, y_pred)


class _Ones(_Parts):
    """The loss if every part of it were 1."""

    def call(self, y_true, y_pred):
        # A layer, because it hands on the mask that a loss with an ignored class gives its parts.
        ones = keras.layers.Activation(ops.ones_like, dtype=self.dtype, name="ones")
        return ones(super().call(y_true, y_pred))


def _shares(loss, y, y_pred, sample_weight):
    given = y, y_pred, sample_weight
    parts = _Parts(loss, None)(*given)
    if len(parts.shape) == 0:
        raise ValueError(
            "Expected a loss that gives a number for each example, since each is rewarded by its "
            f"own. Received: loss={loss!r}, which gives a scalar"
        )
    parts = ops.sum(parts, axis=tuple(range(1, len(parts.shape))))
    # Whatever the reduction divides a sum by, it divides each part by. Ones tell what that is: the
    # parts' own sum may be 0.
    reduced, total = _Ones(loss, loss.reduction)(*given), ops.sum(_Ones(loss, None)(*given))
    examples = ops.multiply(ops.cast(ops.shape(parts)[0], "float32"), replica_count())
    examples = ops.cast(examples, parts.dtype)
    return ops.multiply(parts, ops.multiply(examples, ops.divide_no_nan(reduced, total)))


def replica_count():
    """Among how many replicas `tf.distribute` divides the batch: a mean loss tells, as no API does.

    Keras divides it by their number, so that the replicas' losses sum to that of the whole batch.
    """
    one_over_replicas = keras.losses.MeanAbsoluteError(dtype="float32")([[1.0]], [[0.0]])
    return ops.divide(1.0, one_over_replicas)


def _as_loss(loss):
    if str(loss).lower() in ("crossentropy", "ce"):
        raise ValueError(
            "Expected `loss` to say which crossentropy: 'binary_crossentropy', "
            "'categorical_crossentropy' or 'sparse_categorical_crossentropy', since the targets "
            f"that would tell are not known yet. Received: loss={loss!r}"
        )
    loss = keras.losses.get(loss)
    if not isinstance(loss, keras.losses.Loss):
        # Keras's wrapper of functions, which aligns ranks, is public in its subclasses alone.
        wrapper = keras.losses.MeanSquaredError()
        wrapper.fn, loss = loss, wrapper
    if loss.reduction in (None, "none"):
        raise ValueError(
            "Expected a loss with a reduction. Received: "
            f"loss={loss!r}, reduction={loss.reduction!r}"
        )
    return loss
