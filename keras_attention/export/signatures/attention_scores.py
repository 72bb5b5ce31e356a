"""An `attention` signature for a model that was not written to return its attention weights."""

import collections
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_attention.export.checks.c_loader.arrays import as_array
from keras_attention.export.checks.outputs import SelfCheckError, describe_difference
from keras_attention.export.signatures.layer_calls import (
    RETURN_SCORES,
    NamedLayer,
    find_attention_layers,
    intercept_calls,
)
from keras_attention.export.signatures.reference import CheckedFunction
from keras_attention.export.signatures.signature import as_signature, has_inputs
from keras_attention.export.signatures.spec import Spec
from keras_attention.types import Tensor

HALF_PRECISION = ("float16", "bfloat16")


def attention_of(model: keras.Model) -> tuple[Callable, list[Spec], list]:
    """Return a signature with the attention weights of every attention layer of a model.

    The signature calls the model, and passes `return_attention_scores=True` to each of its layers
    that takes this argument. So the weights are those with which the model computes its outputs,
    whatever other layers it has. The model itself is not changed.

    Args:
        model: A Functional or Sequential model that contains attention layers: those of this
            package, `keras.layers.MultiHeadAttention` and similar ones. They may be inside nested
            models or other layers, but not inside a loop, such as that of `TimeDistributed` or
            `keras.layers.RNN`; such layers are left out with a warning.

    Returns:
        `(function, specs, resources)` for `keras_attention.export.saved_model`. The signature has
        the model's inputs. Each output has the name of a layer and holds its attention weights:
        `(batch, Tq, Tk)`, `(batch, heads, Tq, Tk)`, or the shape that the layer documents.
        A layer `pooling` inside a model or layer `encoder` is named "encoder/pooling". For a layer
        that is called several times, or that returns several tensors of weights, "_0", "_1", … are
        appended to its name.

    Raises:
        ValueError: If the model's inputs are unknown, or none of its layers returns weights.

    Example:
    >>> import tempfile
    >>> words = keras.Input((None,), dtype="int32", name="words")
    >>> embedded = keras.layers.Embedding(7, 4)(words)
    >>> heads = keras_attention.MultiHeadSelfAttention(2, key_dim=3, name="heads")(embedded)
    >>> model = keras.Model(words, keras_attention.AttentionPooling(name="pooling")(heads))
    >>> path = keras_attention.export.saved_model(
    ...     model, tempfile.mkdtemp(), {"attention": keras_attention.export.attention_of(model)})
    >>> answer = keras_attention.export.run_in_c_loader(
    ...     path, "attention", {"words": np.ones((2, 5), "int32")})
    >>> {name: array.shape for name, array in sorted(answer.items())}
    {'heads': (2, 2, 5, 5), 'pooling': (2, 5)}
    """
    if not has_inputs(model):
        raise ValueError(
            f"Expected a Functional or a built Sequential model. Received: model={model!r}"
        )
    signature = as_signature("attention", model)
    layers, left_out = _find_usable_layers(model, signature.function)
    if not layers:
        raise ValueError(
            f"Expected a model with a layer that takes `{RETURN_SCORES}`"
            f"{f', outside of loops, unlike {left_out}' if left_out else ''}. "
            f"Received: layers={[layer.name for layer in model.layers]}"
        )
    if left_out:
        warnings.warn(
            "Expected attention layers that return their weights and are not called in a loop. "
            f"The signature leaves out {left_out}",
            stacklevel=2,
        )

    def attention(**tensors: Tensor) -> dict[str, Tensor]:
        return _ask_during_call(layers, signature.function, tensors)

    def ask_afterwards(**tensors: Tensor) -> dict[str, Tensor]:
        return _ask_after_call(layers, signature.function, tensors)

    return CheckedFunction(attention, ask_afterwards), signature.inputs, signature.resources


class _SymbolicCall(keras.Operation):
    """An operation that runs a function; Keras runs an operation with symbolic tensors."""

    def __init__(self, function: Callable):
        super().__init__()
        self._function = function

    def call(self, **tensors: Tensor) -> Any:
        return self._function(**tensors)


def _find_usable_layers(
    model: keras.Model, function: Callable
) -> tuple[list[NamedLayer], list[str]]:
    """Return the layers whose weights can be returned, and the paths of those left out.

    On TensorFlow, the only backend that exports, the model's function is run once with symbolic
    tensors, which has no effect on the model, to find out what each layer returns.
    """
    layers, left_out = find_attention_layers(model)
    if keras.backend.backend() != "tensorflow":  # JAX cannot trace every layer of unknown sizes.
        return layers, left_out
    scores, unusable = collections.defaultdict(list), set()

    def run(**tensors: Tensor) -> Any:
        graph = _get_graph(tensors)

        def ask(named_layer: NamedLayer, call: Callable, args: tuple, kwargs: dict) -> Any:
            returned, layer_scores = _call_with_scores(named_layer.layer, call, args, kwargs)
            scores[named_layer.path].extend(layer_scores)
            # The tensors of a loop belong to the graph of its body.
            if not layer_scores or _get_graph(layer_scores) is not graph:
                unusable.add(named_layer.path)
            return returned

        with intercept_calls(layers, ask):
            return function(**tensors)

    symbols = {symbol.name: _as_symbol(symbol) for symbol in model.inputs}
    _SymbolicCall(run).compute_output_spec(**symbols)
    usable = {path: tensors for path, tensors in scores.items() if path not in unusable}
    _name_outputs(usable)
    return [named_layer for named_layer in layers if named_layer.path in usable], [
        *left_out,
        *sorted(unusable),
    ]


def _ask_during_call(
    layers: Sequence[NamedLayer], function: Callable, tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Call the model, and take the weights from each attention layer as the model calls it."""
    scores = collections.defaultdict(list)

    def ask(named_layer: NamedLayer, call: Callable, args: tuple, kwargs: dict) -> Any:
        returned, layer_scores = _call_with_scores(named_layer.layer, call, args, kwargs)
        scores[named_layer.path].extend(layer_scores)
        return returned

    with intercept_calls(layers, ask):
        function(**tensors)
    return _name_outputs(scores)


def _ask_after_call(
    layers: Sequence[NamedLayer], function: Callable, tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Call the model as it is; then ask each attention layer for the weights of that call.

    Raises a SelfCheckError if a layer's output changes when it is asked for its weights.
    """
    calls, scores = [], collections.defaultdict(list)

    def observe(named_layer: NamedLayer, call: Callable, args: tuple, kwargs: dict) -> Any:
        outputs = call(*args, **kwargs)
        calls.append((named_layer, args, kwargs, outputs))
        return outputs

    with intercept_calls(layers, observe):
        function(**tensors)
    with keras.StatelessScope():  # The model has already updated its state.
        for named_layer, args, kwargs, outputs in calls:
            asked_outputs = named_layer.layer(*args, **{**kwargs, RETURN_SCORES: True})
            returned, layer_scores = _split_scores(named_layer.layer, args, kwargs, asked_outputs)
            _check_same_outputs(named_layer, returned, outputs)
            scores[named_layer.path].extend(layer_scores)
    return _name_outputs(scores)


def _call_with_scores(
    layer: keras.Layer, call: Callable, args: tuple, kwargs: dict
) -> tuple[Any, list[Tensor]]:
    """Call a layer's `call`; return what it returns without being asked, and its weights."""
    outputs = call(*args, **{**kwargs, RETURN_SCORES: True})
    return _split_scores(layer, args, kwargs, outputs)


def _split_scores(
    layer: keras.Layer, args: tuple, kwargs: dict, outputs: Any
) -> tuple[Any, list[Tensor]]:
    """Split what a layer returned with its weights: what it returns otherwise, and the weights."""
    if not isinstance(outputs, list | tuple) or len(outputs) < 2:
        return outputs, []
    output, *rest = outputs
    score_count = 1
    if len(rest) > 1:  # The layer returns further outputs, or several tensors of weights.
        symbols = keras.tree.map_structure(_as_symbol, (args, {**kwargs, RETURN_SCORES: False}))
        without_scores = layer.compute_output_spec(*symbols[0], **symbols[1])
        output_count = len(without_scores) if isinstance(without_scores, list | tuple) else 1
        score_count = len(outputs) - output_count
    # A layer returns its scores right after its first output.
    scores, others = rest[:score_count], rest[score_count:]
    if not all(keras.ops.is_tensor(tensor) for tensor in scores):
        scores = []
    default = inspect.signature(type(layer).call).parameters[RETURN_SCORES].default
    if kwargs.get(RETURN_SCORES, default):
        return outputs, scores
    return (output, *others) if others else output, scores


def _check_same_outputs(named_layer: NamedLayer, asked: Any, outputs: Any) -> None:
    """Raise a SelfCheckError if a layer's outputs differ from those in the model's own call."""
    is_half = named_layer.layer.compute_dtype in HALF_PRECISION
    pairs = zip(keras.tree.flatten(asked), keras.tree.flatten(outputs), strict=True)
    for one, other in pairs:
        one, other = (as_array(keras.ops.convert_to_numpy(tensor)) for tensor in (one, other))
        difference = describe_difference(one, other, is_half)
        if difference:
            raise SelfCheckError(
                f"Expected layer {named_layer.path!r} to return the same output with and without "
                f"`{RETURN_SCORES}=True`. Received: {difference}"
            )


def _as_symbol(value: Any) -> Any:
    """Return a symbolic tensor of the same shape and dtype; return other values as they are."""
    if not keras.ops.is_tensor(value) and not isinstance(value, keras.KerasTensor):
        return value
    return keras.KerasTensor(tuple(value.shape), keras.backend.standardize_dtype(value.dtype))


def _get_graph(tensors: Any) -> Any:
    """Return the TensorFlow graph of the first of some tensors; None for all other tensors."""
    return getattr(keras.tree.flatten(tensors)[0], "graph", None)


def _name_outputs(scores: Mapping[str, list[Tensor]]) -> dict[str, Tensor]:
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
