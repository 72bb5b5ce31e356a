"""The inputs of a Functional or Sequential model: their names, and limits of their ids."""

from typing import Any

import keras

from keras_attention.export.signatures.spec import as_spec


def list_input_names(model: keras.Model) -> list[str]:
    """Return the names of a model's inputs, in the order of `model.inputs`.

    These are the names of the input layers. The tensors of unnamed inputs have other names, which a
    `.keras` file does not keep.
    """
    layers = [one for one in _list_layers(model) if isinstance(one, keras.layers.InputLayer)]
    names = {id(layer.output): layer.name for layer in layers}
    return [names.get(id(tensor), tensor.name) for tensor in model.inputs]


def describe_inputs(model: keras.Model) -> list[Any]:
    """Return a KerasTensor or a `Spec` for each input.

    An input of integers that a `keras.layers.Embedding` looks up directly accepts only the ids of
    the table's rows.
    """
    limits, descriptions = _find_id_limits(model), []
    for tensor, name in zip(model.inputs, list_input_names(model), strict=True):
        below = limits.get(id(tensor))
        is_integer = "int" in keras.backend.standardize_dtype(tensor.dtype)
        if is_integer and below is not None:
            tensor = as_spec(tensor)._replace(name=name, below=below)
        elif tensor.name != name:
            tensor = as_spec(tensor)._replace(name=name)
        descriptions.append(tensor)
    return descriptions


def _find_id_limits(model: keras.Model) -> dict[int, int]:
    """Return the rows of the smallest embedding that looks up each tensor, by the tensor's id."""
    limits = {}
    for layer in _list_layers(model):
        if type(layer) is keras.layers.Embedding:  # A subclass may accept other ids.
            # `layer.input` is the input of the first call only.
            for node in layer._inbound_nodes:
                for tensor in node.input_tensors:
                    limit = limits.get(id(tensor), layer.input_dim)
                    limits[id(tensor)] = min(limit, layer.input_dim)
    return limits


def _list_layers(model: keras.Model) -> list[Any]:
    """Return a model's layers with the input layers, which a Sequential model does not list."""
    return keras.Model(model.inputs, model.outputs).layers
