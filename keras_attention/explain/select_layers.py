"""Select the attention layers of a model that a user names."""

from collections.abc import Collection
from typing import Any, NamedTuple

import keras

from keras_attention.explain.find_layers import LayerTree, NamedLayer, is_inside, list_paths


class Selection(NamedTuple):
    """Attention layers, and the paths that stand for them.

    layers: The layers.
    paths: Paths of layers, of containers of layers, or of one kind of a layer's weights.
    is_explicit: Whether a user has named them.
    """

    layers: list[NamedLayer]
    paths: list[str]
    is_explicit: bool

    def has_key(self, key: str) -> bool:
        """Return whether weights with this path belong to the selection."""
        return any(is_inside(key, path) for path in self.paths)

    def list_missing(self, keys: Collection[str], traced: Collection[str]) -> list[str]:
        """Return the paths without weights, and those of layers that were called in a trace."""
        paths = [*self.paths, *list_paths(self.layers)]
        missing = [path for path in paths if not any(is_inside(key, path) for key in keys)]
        return sorted({*missing, *traced})


def select_layers(model: Any, layer_tree: LayerTree, layers: Any) -> Selection:
    """Return the selection of `layers`, an argument of `attention_weights`.

    Args:
        model: The model, which error messages name.
        layer_tree: Its layers.
        layers: What the user requests: None, a path, name or layer, or a list of these.

    Raises:
        ValueError: If the model has no attention layer, or an element of `layers` is unknown.
    """
    attention_layers = layer_tree.attention
    if not attention_layers:
        raise ValueError(
            "Expected a model with attention layers, which return their weights by the argument "
            "`return_attention_scores` of their call. "
            f"Received: {model.name!r} with the layers {list_paths(layer_tree.every)}"
        )
    if layers is None:
        return Selection(attention_layers, list_paths(attention_layers), is_explicit=False)
    requests = layers if isinstance(layers, list | tuple) else [layers]
    selected, paths = {}, []
    for request in requests:
        matches = _find_paths(layer_tree, request)
        chosen = [
            named
            for named in attention_layers
            if any(is_inside(named.path, path) or is_inside(path, named.path) for path in matches)
        ]
        if not chosen:
            raise ValueError(
                "Expected `layers` to be names, paths or layers that are or contain attention "
                f"layers of the model: {list_paths(attention_layers)}. "
                f"Received: {_describe(request)}"
            )
        selected |= {named.path: named for named in chosen}
        paths += matches
    return Selection(list(selected.values()), paths, is_explicit=True)


def _find_paths(layer_tree: LayerTree, request: Any) -> list[str]:
    """Return the paths that a user's request stands for."""
    if not isinstance(request, str):
        return [named.path for named in layer_tree.every if named.layer is request]
    named_so = [
        named
        for named in layer_tree.every
        if request in (named.path, named.layer.name)
        and any(is_inside(inner.path, named.path) for inner in layer_tree.attention)
    ]
    return list_paths(named_so) or [request]  # or the path of one kind of a layer's weights


def _describe(request):
    return f"layer {request.name!r}" if isinstance(request, keras.Layer) else repr(request)
