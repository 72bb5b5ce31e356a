"""An `attention` signature for a model that was not written to return its attention weights."""

import collections
import warnings
from collections.abc import Callable
from typing import Any

import keras

from keras_attention.explain.find_layers import (
    RETURN_SCORES,
    NamedLayer,
    can_return_scores,
    find_layers,
    list_paths,
)
from keras_attention.explain.intercept_calls import intercept_calls, outermost_only
from keras_attention.export.signatures.collect_scores import (
    as_symbol,
    call_with_scores,
    collect_after_call,
    collect_during_call,
    name_outputs,
)
from keras_attention.export.signatures.reference import CheckedFunction
from keras_attention.export.signatures.signature import Signature, as_signature, has_inputs
from keras_attention.export.signatures.spec import Spec
from keras_attention.types import Tensor


def attention_of(model: keras.Model) -> tuple[Callable, list[Spec], list]:
    """Return a signature with the attention weights of every attention layer of a model.

    The signature calls the model, and passes `return_attention_scores=True` to each of its layers
    that takes this argument. So the weights are those with which the model computes its outputs,
    whatever other layers it has. The model itself is not changed.

    Args:
        model: A Functional or Sequential model that contains attention layers: those of this
            package, `keras.layers.MultiHeadAttention` and similar ones. They may be inside nested
            models or other layers, but not inside a loop, such as that of `TimeDistributed` or
            `keras.layers.RNN`, or a `tf.function`. Such layers, and those that the model does not
            call, are left out with a warning.

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
    layers, left_out = _find_usable_layers(model, signature)
    if not layers:
        raise ValueError(
            f"Expected a model with a layer that takes `{RETURN_SCORES}`"
            f"{f', outside of loops and tf.functions, unlike {left_out}' if left_out else ''}. "
            f"Received: layers={[layer.name for layer in model.layers]}"
        )
    if left_out:
        warnings.warn(
            "Expected attention layers that return their weights, and that the model calls outside "
            "of loops and of layers whose `call` is a `tf.function`. "
            f"The signature leaves out {left_out}",
            stacklevel=2,
        )

    def attention(**tensors: Tensor) -> dict[str, Tensor]:
        return collect_during_call(layers, signature.function, tensors)

    def compute_reference(**tensors: Tensor) -> dict[str, Tensor]:
        return collect_after_call(layers, signature.function, tensors)

    return CheckedFunction(attention, compute_reference), signature.inputs, signature.resources


class _SymbolicCall(keras.Operation):
    """An operation that runs a function; Keras runs an operation with symbolic tensors."""

    def __init__(self, function: Callable):
        super().__init__()
        self._function = function

    def call(self, **tensors: Tensor) -> Any:
        return self._function(**tensors)


def _find_usable_layers(
    model: keras.Model, signature: Signature
) -> tuple[list[NamedLayer], list[str]]:
    """Return the layers whose weights can be returned, and the paths of those left out.

    On TensorFlow, the only backend that exports, the model's function is run once with symbolic
    tensors, which has no effect on the model, to find out what each layer returns.
    """
    layers, left_out = _find_layers(model)
    if keras.backend.backend() != "tensorflow":  # JAX cannot trace every layer of unknown sizes.
        return layers, left_out
    scores, unusable = collections.defaultdict(list), set()

    def run(**tensors: Tensor) -> Any:
        graph = _get_graph(tensors)

        def request_scores(
            named_layer: NamedLayer, call: Callable, args: tuple, kwargs: dict
        ) -> Any:
            plain_outputs, layer_scores = call_with_scores(named_layer.layer, call, args, kwargs)
            scores[named_layer.path].extend(layer_scores)
            # The tensors of a loop belong to the graph of its body.
            if not layer_scores or _get_graph(layer_scores) is not graph:
                unusable.add(named_layer.path)
            return plain_outputs

        with intercept_calls(layers, outermost_only(request_scores)):
            return signature.function(**tensors)

    pairs = zip(signature.inputs, model.inputs, strict=True)
    symbols = {spec.name: as_symbol(symbol) for spec, symbol in pairs}
    _SymbolicCall(run).compute_output_spec(**symbols)
    # A `tf.function` that was traced before does not call its layers again.
    unusable |= {named_layer.path for named_layer in layers} - scores.keys()
    usable = {path: tensors for path, tensors in scores.items() if path not in unusable}
    name_outputs(usable)
    return [named_layer for named_layer in layers if named_layer.path in usable], [
        *left_out,
        *sorted(unusable),
    ]


def _find_layers(model: keras.Model) -> tuple[list[NamedLayer], list[str]]:
    """Return the layers that return their weights outside of loops, and the paths of the others."""
    layer_tree = find_layers(model)
    layers = [x for x in layer_tree.attention if can_return_scores(x.layer) and not x.loops]
    return layers, sorted(
        {*list_paths(layer_tree.attention), *list_paths(layer_tree.inside_attention)}
        - {*list_paths(layers)}
    )


def _get_graph(tensors: Any) -> Any:
    """Return the TensorFlow graph of the first of some tensors; None for all other tensors."""
    return getattr(keras.tree.flatten(tensors)[0], "graph", None)
