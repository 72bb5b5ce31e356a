"""Find the attention layers of a model, and the loops that call them."""

import collections
import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from keras_attention.layers.each_step import EachStep

RETURN_SCORES = "return_attention_scores"
# These layers call others once per time step, in a loop that a backend may compile.
LOOPING_LAYERS = (keras.layers.RNN, keras.layers.TimeDistributed)


class NamedLayer(NamedTuple):
    """A layer and its path: the names of the layers that contain it, and its own.

    loops: The paths of the looping layers that contain it, from the outside in.
    """

    path: str
    layer: Any
    loops: tuple[str, ...] = ()


class LayerTree(NamedTuple):
    """The layers inside a model, those with short paths first.

    attention: The layers that can compute their attention weights. The layers inside such a layer
        are not listed, because it returns their weights itself.
    inside_attention: Layers inside those, whose weights they do not return: recurrent cells with
        attention, in a decoder.
    every: All layers, also those without attention.
    """

    attention: list[NamedLayer]
    inside_attention: list[NamedLayer]
    every: list[NamedLayer]

    def get_containers(self, kinds: type | tuple[type, ...]) -> list[NamedLayer]:
        """Return the layers of some classes that contain attention layers."""
        return [
            named
            for named in self.every
            if isinstance(named.layer, kinds)
            and any(is_inside(inner.path, named.path) for inner in self.attention)
        ]


def find_layers(model: Any) -> LayerTree:
    """Return all layers inside a model. A layer in several places has the shortest of its paths."""
    layer_tree = LayerTree([], [], [])
    visited, paths = {id(model)}, set()
    queue: collections.deque[tuple[str, Any, tuple[str, ...], bool]] = collections.deque()
    queue.append(("", model, (), False))
    while queue:
        prefix, container, loops, is_in_attention = queue.popleft()
        # Keras has no public list of the layers inside a layer that is not a model.
        for layer in container._flatten_layers(include_self=False, recursive=False):
            if id(layer) in visited:
                continue
            visited.add(id(layer))
            named = NamedLayer(_get_free_path(prefix + layer.name, paths), layer, loops)
            paths.add(named.path)
            layer_tree.every.append(named)
            is_attention = can_compute_weights(layer)
            if is_in_attention and hasattr(layer, "compute_attention_weights"):
                layer_tree.inside_attention.append(named)
            elif is_attention and not is_in_attention:
                layer_tree.attention.append(named)
            inner_loops = (*loops, named.path) if isinstance(layer, LOOPING_LAYERS) else loops
            is_in_attention_too = is_in_attention or is_attention
            queue.append((f"{named.path}/", layer, inner_loops, is_in_attention_too))
    return layer_tree


def _get_free_path(path: str, paths: set[str]) -> str:
    """Return the path, with a number if another layer has it: names need not be unique."""
    candidate, number = path, 0
    while candidate in paths:
        number += 1
        candidate = f"{path}_{number}"
    return candidate


def can_compute_weights(layer: Any) -> bool:
    """Return whether a layer returns its attention weights on request."""
    return can_return_scores(layer) or hasattr(layer, "compute_attention_weights")


def can_return_scores(layer: Any) -> bool:
    """Return whether the layer's `call` has an argument `return_attention_scores`."""
    if isinstance(layer, EachStep):  # It has the argument for the layers that have it.
        return can_return_scores(layer.layer)
    return RETURN_SCORES in inspect.signature(layer.call).parameters


def is_inside(path: str, container: str) -> bool:
    """Return whether a path is that of a container or of a layer inside it."""
    return path == container or path.startswith(f"{container}/")


def list_paths(layers: Sequence[NamedLayer]) -> list[str]:
    """Return the paths of layers."""
    return [named.path for named in layers]
