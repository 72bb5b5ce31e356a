"""The softmax or sigmoid at the end of a model, whose saturation hides its inputs' influence."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import keras
from keras import ops, tree

from keras_attention.explain.replace_calls import replace_calls

ACTIVATIONS = (keras.activations.softmax, keras.activations.sigmoid, ops.softmax, ops.sigmoid)
OPERATIONS = ("Softmax", "Sigmoid")  # classes of a functional model's `keras.ops`

Calls: TypeAlias = set[tuple[keras.Operation, int]]
"""Operations, and the numbers of their calls while the model runs once."""


def find_final_activations(model: keras.Model, run: Callable[[], Any]) -> Calls:
    """Return the calls that apply a softmax or sigmoid, and whose result is an output of the model.

    Args:
        model: The model.
        run: Function that calls the model and returns its outputs.
    """
    results = []

    def observe(operation):
        count = 0

        def handle(call, args, kwargs):
            nonlocal count
            result = call(*args, **kwargs)
            results.append((operation, count, result))
            count += 1
            return result

        return handle

    with replace_calls({one: observe(one) for one in _list_activations(model)}):
        outputs = tree.flatten(run())
    return {
        (operation, count)
        for operation, count, result in results
        if any(result is output for output in outputs)
    }


def make_handlers(calls: Calls) -> dict[keras.Operation, Callable]:
    """Return handlers for `replace_calls`, for one run of the model, that leave out activations."""

    def leave_out(operation):
        count = -1

        def handle(call, args, kwargs):
            nonlocal count
            count += 1
            if (operation, count) not in calls:
                return call(*args, **kwargs)
            return _call_without_activation(operation, args, kwargs)

        return handle

    return {operation: leave_out(operation) for operation, _ in calls}


def _list_activations(model: keras.Model) -> Iterator[keras.Operation]:
    """List a model's layers and operations that apply a softmax or sigmoid to their result."""
    # Keras has no public list of all nested layers.
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Softmax) or _has_activation(layer):
            yield layer
        for operation in layer.operations if isinstance(layer, keras.Function) else ():
            if type(operation).__name__ in OPERATIONS and not isinstance(operation, keras.Layer):
                yield operation


def _has_activation(layer: keras.Layer) -> bool:
    activation = getattr(layer, "activation", None)
    return any(activation is one for one in ACTIVATIONS)


def _call_without_activation(operation: keras.Operation, args: tuple, kwargs: dict) -> Any:
    """Return the result of a call without the activation."""
    if not _has_activation(operation):
        return args[0] if args else next(iter(kwargs.values()))
    # Another object with the same weights, so that other threads still get the activation.
    linear = object.__new__(type(operation))
    vars(linear).update(vars(operation), activation=keras.activations.linear)
    return type(operation).call(linear, *args, **kwargs)
