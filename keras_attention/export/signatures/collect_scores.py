"""Collect the attention weights of layers, while a model runs or afterwards."""

import collections
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_attention.explain.find_layers import RETURN_SCORES, NamedLayer
from keras_attention.explain.intercept_calls import intercept_calls, outermost_only
from keras_attention.export.checks.c_loader.arrays import as_array
from keras_attention.export.checks.outputs import SelfCheckError, describe_difference
from keras_attention.precision import HALF_PRECISION
from keras_attention.tensors import attach_keras_masks, list_keras_masks
from keras_attention.types import Tensor


def collect_during_call(
    layers: Sequence[NamedLayer], function: Callable, tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Call the model, and take the weights from each attention layer as the model calls it."""
    scores = collections.defaultdict(list)

    def request_scores(named_layer: NamedLayer, call: Callable, args: tuple, kwargs: dict) -> Any:
        plain_outputs, layer_scores = call_with_scores(named_layer.layer, call, args, kwargs)
        scores[named_layer.path].extend(layer_scores)
        return plain_outputs

    with intercept_calls(layers, outermost_only(request_scores)):
        function(**tensors)
    return name_outputs(scores)


def collect_after_call(
    layers: Sequence[NamedLayer], function: Callable, tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Call the model as it is; then call each attention layer again, and take its weights.

    Raises a SelfCheckError if a layer's outputs change when it also returns its weights.
    """
    calls, scores = [], collections.defaultdict(list)

    def observe(named_layer: NamedLayer, call: Callable, args: tuple, kwargs: dict) -> Any:
        masks = list_keras_masks((args, kwargs))
        outputs = call(*args, **kwargs)
        calls.append((named_layer, args, kwargs, outputs, masks))
        return outputs

    with intercept_calls(layers, outermost_only(observe)):
        function(**tensors)
    with keras.StatelessScope():  # The model has already updated its state.
        for named_layer, args, kwargs, outputs, masks in calls:
            attach_keras_masks(masks)
            outputs_with_scores = named_layer.layer(*args, **{**kwargs, RETURN_SCORES: True})
            plain_outputs, layer_scores = _split_scores(
                named_layer.layer, args, kwargs, outputs_with_scores
            )
            _check_same_outputs(named_layer, plain_outputs, outputs)
            scores[named_layer.path].extend(layer_scores)
    return name_outputs(scores)


def call_with_scores(
    layer: keras.Layer, call: Callable, args: tuple, kwargs: dict
) -> tuple[Any, list[Tensor]]:
    """Return what a layer's `call` returns without `return_attention_scores`, and its weights."""
    outputs = call(*args, **{**kwargs, RETURN_SCORES: True})
    return _split_scores(layer, args, kwargs, outputs)


def _split_scores(
    layer: keras.Layer, args: tuple, kwargs: dict, outputs: Any
) -> tuple[Any, list[Tensor]]:
    """Split a layer's outputs into those that it returns without the argument, and its weights."""
    if not isinstance(outputs, list | tuple) or len(outputs) < 2:
        return outputs, []
    output, *rest = outputs
    score_count = 1
    if len(rest) > 1:  # The layer returns further outputs, or several tensors of weights.
        symbols = keras.tree.map_structure(as_symbol, (args, {**kwargs, RETURN_SCORES: False}))
        without_scores = layer.compute_output_spec(*symbols[0], **symbols[1])
        output_count = len(without_scores) if isinstance(without_scores, list | tuple) else 1
        score_count = len(outputs) - output_count
    # A layer returns its scores right after its first output.
    scores, further_outputs = rest[:score_count], rest[score_count:]
    if not all(keras.ops.is_tensor(tensor) for tensor in scores):
        scores = []
    default = inspect.signature(type(layer).call).parameters[RETURN_SCORES].default
    if kwargs.get(RETURN_SCORES, default):
        return outputs, scores
    return (output, *further_outputs) if further_outputs else output, scores


def _check_same_outputs(named_layer: NamedLayer, outputs: Any, expected: Any) -> None:
    """Raise a SelfCheckError if a layer's outputs differ from those in the model's own call."""
    is_half = named_layer.layer.compute_dtype in HALF_PRECISION
    for tensors in zip(keras.tree.flatten(outputs), keras.tree.flatten(expected), strict=True):
        if not all(keras.ops.is_tensor(tensor) for tensor in tensors):
            continue
        array, other = (as_array(keras.ops.convert_to_numpy(tensor)) for tensor in tensors)
        difference = describe_difference(array, other, is_half)
        if difference:
            raise SelfCheckError(
                f"Expected layer {named_layer.path!r} to return the same output with and without "
                f"`{RETURN_SCORES}=True`. Received: {difference}"
            )


def as_symbol(value: Any) -> Any:
    """Return a symbolic tensor of the same shape and dtype; return other values as they are."""
    if not keras.ops.is_tensor(value) and not isinstance(value, keras.KerasTensor):
        return value
    return keras.KerasTensor(tuple(value.shape), keras.backend.standardize_dtype(value.dtype))


def name_outputs(scores: Mapping[str, list[Tensor]]) -> dict[str, Tensor]:
    """Return the attention weights by output name; number the names of a layer with several."""
    named = [
        (path if len(tensors) == 1 else f"{path}_{index}", tensor)
        for path, tensors in scores.items()
        for index, tensor in enumerate(tensors)
    ]
    names = [name for name, _ in named]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            "Expected different names of layers, also after the calls of a layer are numbered. "
            f"Received: several outputs with the names {repeated}"
        )
    return dict(named)
