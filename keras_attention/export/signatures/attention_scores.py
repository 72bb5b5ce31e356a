"""The signature `attention` of a model that was not written to return its weights."""

import inspect

import keras

from keras_attention.export.signatures.signature import as_signature, has_inputs

ASK = "return_attention_scores"


def attention_of(model):
    """A signature that answers with the weights of every attention layer of a model.

    The model's layers are called once more as the model calls them, on its own weights, with
    `return_attention_scores=True` where they take it. The model stays as it is.

    Args:
        model: A Functional or Sequential model, with layers of this package (or
            `keras.layers.MultiHeadAttention` and their like) among its own; those within
            another layer, as in `TimeDistributed` or a model inside of the model, are not asked.

    Returns:
        `(function, specs, resources)` for `keras_attention.export.saved_model`, whose inputs are
        the model's, and whose outputs are called as the layers are: the weights
        `(batch, Tq, Tk)`, or `(batch, heads, Tq, Tk)`, or whatever the layer's own documentation
        says. A layer that is called, or that has weights, several times gets "_0", "_1", …
        behind its name.

    Raises:
        ValueError: If the model does not know its inputs, or no layer can be asked.

    Example:
    >>> import tempfile
    >>> words = keras.Input((None,), dtype="int32", name="words")
    >>> read = keras.layers.Embedding(7, 4)(words)
    >>> heads = keras_attention.MultiHeadSelfAttention(2, key_dim=3, name="heads")(read)
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
    told, scores = as_signature("attention", model), {}
    # A Sequential model says nothing of how its layers are called.
    functional = keras.Model(model.inputs, model.outputs)

    def ask(layer, *args, **kwargs):
        if (
            not isinstance(layer, keras.Layer)
            or ASK not in inspect.signature(layer.call).parameters
        ):
            return layer(*args, **kwargs)
        output, *more = layer(*args, **{**kwargs, ASK: True})
        bare = layer.compute_output_spec(*args, **{**kwargs, ASK: False})
        count = 1 + len(more) - (len(bare) if isinstance(bare, list | tuple) else 1)
        scores.setdefault(layer.name, []).extend(more[:count])  # they follow the output
        returned = (output, *(more if kwargs.get(ASK) else more[count:]))
        return returned if len(returned) > 1 else output

    clone = keras.models.clone_model(functional, call_function=ask)
    if not scores:
        raise ValueError(
            f"Expected a model with a layer that takes `{ASK}`. "
            f"Received: layers={[layer.name for layer in model.layers]}"
        )
    asked = keras.Model(clone.inputs, _by_name(scores))
    pairs = [
        pair
        for layer in clone.layers
        for pair in zip(layer.variables, functional.get_layer(layer.name).variables, strict=True)
    ]

    def attention(**tensors):
        values = [(variable, own.value) for variable, own in pairs]
        with keras.StatelessScope(state_mapping=values):
            return asked([tensors[symbol.name] for symbol in model.inputs], training=False)

    return attention, told.inputs, told.resources


def _by_name(scores):
    """{layer's name: weights}, numbered where a layer has several."""
    return {
        name if len(found) == 1 else f"{name}_{index}": one
        for name, found in scores.items()
        for index, one in enumerate(found)
    }
