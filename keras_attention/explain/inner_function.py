"""A model as a function of a tensor inside it: of an input, or of a layer's output."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops, tree
from keras.layers import InputLayer

from keras_attention.explain.final_activation import find_final_activations, make_handlers
from keras_attention.explain.find_layers import find_layers, list_paths
from keras_attention.explain.model_call import call_model
from keras_attention.explain.replace_calls import replace_calls
from keras_attention.types import Nest, Tensor

LISTED = 20  # names in an error message


class InnerFunction:
    """A model as a function of the tensors at a place inside it, which are called points.

    Keras masks, weights, losses, metrics and random states are those of the model, and stay.

    Args:
        model: A built model.
        of: The place: None for all inputs, the name of an input, or a layer (or its name or path),
            whose output is replaced. A layer that is called several times has a point per call.
        logits: Whether to leave out a softmax or sigmoid whose result is an output of the model.
    """

    def __init__(self, model: keras.Model, of: Any = None, logits: bool = True):
        if not isinstance(model, keras.Model) or not model.built:
            raise ValueError(
                "Expected `model` to be a keras.Model whose weights exist; call a subclassed one "
                f"once. Received: model={model!r}"
            )
        self.model, self.logits = model, logits
        self.input_names = list_input_names(model)
        self.input_index = self.layer = None
        if isinstance(of, str) and of in self.input_names:
            self.input_index = self.input_names.index(of)
        elif of is not None:
            self.layer = find_layer(model, of)
        self._final = set()

    def prepare(self, inputs: Nest) -> None:
        """Find the activations to leave out, in one run of the model."""
        self._final = set()
        if self.logits:
            with keras.StatelessScope():
                self._final = find_final_activations(self.model, lambda: self._run(inputs))

    def record(self, inputs: Nest) -> tuple[Nest, list[Tensor]]:
        """Call the model; return its outputs and the values of the points."""
        with keras.StatelessScope():
            return self._record(inputs)

    def _record(self, inputs):
        if self.layer is None:
            points = tree.flatten(inputs)
            points = points if self.input_index is None else [points[self.input_index]]
            return self._run(inputs), points
        points = []

        def observe(call, args, kwargs):
            output = call(*args, **kwargs)
            points.append(output)
            return output

        outputs = self._run(inputs, {self.layer: observe})
        self._check_points(points)
        return outputs, points

    def __call__(self, points: Sequence[Tensor], inputs: Nest) -> Nest:
        """Call the model with other values of the points; return its outputs.

        The call must be inside a `keras.StatelessScope`, so that no variable changes.
        """
        if self.layer is None:
            leaves = tree.flatten(inputs)
            first = self.input_index or 0
            leaves[first : first + len(points)] = points
            return self._run(tree.pack_sequence_as(inputs, leaves))
        values = iter(points)

        def replace(call, args, kwargs):
            return _Replace()(call(*args, **kwargs), next(values))

        return self._run(inputs, {self.layer: replace})

    def pack(self, inputs: Nest, arrays: Sequence) -> Nest:
        """Return an array per point in the structure of the inputs, or of the layer's calls."""
        if self.layer is None and self.input_index is None:
            return tree.pack_sequence_as(inputs, list(arrays))
        return list(arrays) if len(arrays) > 1 else arrays[0]

    def describe_points(self) -> str:
        """Return where the points are, for error messages."""
        if self.layer is not None:
            return f"the output of the layer {self.layer.name!r}"
        names = self.input_names
        return f"the inputs {names if self.input_index is None else names[self.input_index]}"

    def _run(self, inputs, handlers=None):
        handlers = {**make_handlers(self._final), **(handlers or {})}
        with replace_calls(handlers):
            return call_model(self.model, inputs)

    def _check_points(self, points):
        if not points or not all(ops.is_tensor(point) for point in points):
            raise ValueError(
                "Expected `of` to be a layer that the model calls, outside of a tf.function, and "
                f"that returns one tensor. Received: of={self.layer.name!r}, which "
                + (f"returns {points[0]!r}" if points else "is not called")
            )


class _Replace(keras.layers.Layer):
    """Returns its second input, with the Keras mask of the first."""

    def __init__(self):
        super().__init__(name="replace", autocast=False)
        self.supports_masking = True

    def call(self, inputs, value):
        return value


def list_input_names(model: keras.Model) -> list[str]:
    """Return the names of a functional model's inputs, in the order of its flat inputs."""
    return [tensor.name for tensor in getattr(model, "inputs", None) or ()]


def find_layer(model: keras.Model, of: Any) -> keras.Layer:
    """Return the layer inside the model that `of`, a layer or its name or path, refers to.

    Raises a ValueError if there is none or more than one, or if another layer calls it in a loop.
    """
    every = find_layers(model).every
    chosen = [
        named
        for named in every
        if named.layer is of or isinstance(of, str) and of in (named.path, named.layer.name)
    ]
    if len(chosen) != 1:
        inner = [named for named in every if not isinstance(named.layer, InputLayer)]
        paths = list_paths(chosen) or [*list_input_names(model), *list_paths(inner)]
        more = ", …" if len(paths) > LISTED else ""
        raise ValueError(
            f"Expected `of` to be one layer or input of the model, out of {paths[:LISTED]}{more}. "
            f"Received: of={of!r}"
        )
    if chosen[0].loops:
        raise ValueError(
            "Expected `of` to be a layer that is not called in a loop; take the layer that loops. "
            f"Received: of={chosen[0].path!r}"
        )
    return chosen[0].layer
