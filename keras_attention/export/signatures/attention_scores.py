"""An `attention` signature for a model that was not written to return its attention weights."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_attention.export.signatures.signature import as_signature, has_inputs
from keras_attention.export.signatures.spec import Spec
from keras_attention.types import Tensor

RETURN_SCORES = "return_attention_scores"


def attention_of(model: keras.Model) -> tuple[Callable, list[Spec], list]:
    """Return a signature with the attention weights of every attention layer of a model.

    The signature calls the model's layers as the model does, with the model's own weights, and
    passes `return_attention_scores=True` to each layer that takes this argument. The model itself
    is not changed.

    Args:
        model: A Functional or Sequential model that contains attention layers: those of this
            package, `keras.layers.MultiHeadAttention` and similar ones. Attention layers inside
            another layer, such as `TimeDistributed` or a nested model, are not included.

    Returns:
        `(function, specs, resources)` for `keras_attention.export.saved_model`. The signature has
        the model's inputs. Each output has the name of a layer and holds its attention weights:
        `(batch, Tq, Tk)`, `(batch, heads, Tq, Tk)`, or the shape that the layer documents.
        For a layer that is called several times, or that returns several tensors of weights, "_0",
        "_1", … are appended to its name.

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
    signature, scores = as_signature("attention", model), {}
    # Only a Functional model records how its layers are called; a Sequential one is converted.
    functional = keras.Model(model.inputs, model.outputs)

    def call_layer(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if (
            not isinstance(layer, keras.Layer)
            or RETURN_SCORES not in inspect.signature(layer.call).parameters
        ):
            return layer(*args, **kwargs)
        output, *rest = layer(*args, **{**kwargs, RETURN_SCORES: True})
        without_scores = layer.compute_output_spec(*args, **{**kwargs, RETURN_SCORES: False})
        output_count = len(without_scores) if isinstance(without_scores, list | tuple) else 1
        score_count = 1 + len(rest) - output_count
        # A layer returns its scores right after its first output.
        scores.setdefault(layer.name, []).extend(rest[:score_count])
        returned = (output, *(rest if kwargs.get(RETURN_SCORES) else rest[score_count:]))
        return returned if len(returned) > 1 else output

    clone = keras.models.clone_model(functional, call_function=call_layer)
    if not scores:
        raise ValueError(
            f"Expected a model with a layer that takes `{RETURN_SCORES}`. "
            f"Received: layers={[layer.name for layer in model.layers]}"
        )
    scoring_model = keras.Model(clone.inputs, _name_outputs(scores))
    pairs = [
        pair
        for layer in clone.layers
        for pair in zip(layer.variables, functional.get_layer(layer.name).variables, strict=True)
    ]

    def attention(**tensors: Tensor) -> dict[str, Tensor]:
        values = [(variable, original.value) for variable, original in pairs]
        with keras.StatelessScope(state_mapping=values):
            return scoring_model([tensors[spec.name] for spec in signature.inputs], training=False)

    return attention, signature.inputs, signature.resources


def _name_outputs(scores: Mapping[str, list[Tensor]]) -> dict[str, Tensor]:
    """Return the attention weights by output name; number the names of a layer with several."""
    return {
        name if len(weights) == 1 else f"{name}_{index}": tensor
        for name, weights in scores.items()
        for index, tensor in enumerate(weights)
    }
