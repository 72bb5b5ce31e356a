"""Intercept the calls of attention layers while a model runs."""

import collections
import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras

RETURN_SCORES = "return_attention_scores"
# These layers call others once per time step, inside a loop of the graph. Weights computed there
# cannot be returned.
LOOPING_LAYERS = (keras.layers.RNN, keras.layers.TimeDistributed)

_intercepting = threading.RLock()


class NamedLayer(NamedTuple):
    """A layer and its path: the names of the layers that contain it, and its own."""

    path: str
    layer: Any


def find_attention_layers(model: keras.Model) -> tuple[list[NamedLayer], list[str]]:
    """Find all layers of a model, nested ones too, that can return their attention weights.

    The layers inside such a layer are not listed, because it returns their weights itself.

    Args:
        model: A model.

    Returns:
        A tuple of the layers, those with short paths first, and the paths of the layers that are
        not among them because another layer calls them in a loop.
    """
    attention_layers, paths_in_loops = [], []
    visited, queue = set(), collections.deque([("", model, False)])
    while queue:
        prefix, container, is_in_loop = queue.popleft()
        # Keras has no public list of the layers inside a layer that is not a model.
        for layer in container._flatten_layers(include_self=False, recursive=False):
            if id(layer) in visited:
                continue
            visited.add(id(layer))
            path = prefix + layer.name
            if not can_return_scores(layer):
                is_loop = is_in_loop or isinstance(layer, LOOPING_LAYERS)
                queue.append((f"{path}/", layer, is_loop))
            elif is_in_loop:
                paths_in_loops.append(path)
            else:
                attention_layers.append(NamedLayer(path, layer))
    return attention_layers, paths_in_loops


def can_return_scores(layer: keras.Layer) -> bool:
    """Return True if the layer's `call` has an argument `return_attention_scores`."""
    return RETURN_SCORES in inspect.signature(layer.call).parameters


@contextlib.contextmanager
def intercept_calls(
    layers: Sequence[NamedLayer], handle: Callable[[NamedLayer, Callable, tuple, dict], Any]
) -> Iterator[None]:
    """Pass the calls of some layers to a function that calls them instead.

    A call inside an intercepted call is not intercepted, and neither are calls of other threads.

    Args:
        layers: The layers.
        handle: Called as `handle(named_layer, call, args, kwargs)`, where `call` is the layer's own
            method; returns what the layer returns to its caller.
    """
    thread, is_inside = threading.get_ident(), False

    def wrap(named_layer: NamedLayer, call: Callable) -> Callable:
        def call_or_handle(*args: Any, **kwargs: Any) -> Any:
            nonlocal is_inside
            if is_inside or threading.get_ident() != thread:
                return call(*args, **kwargs)
            is_inside = True
            try:
                return handle(named_layer, call, args, kwargs)
            finally:
                is_inside = False

        return call_or_handle

    with _intercepting, contextlib.ExitStack() as stack:
        for named_layer in layers:
            # An attribute in `vars` hides the method, and Keras does not track it.
            attributes = vars(named_layer.layer)
            previous = {"call": attributes["call"]} if "call" in attributes else {}
            stack.callback(attributes.update, previous)
            stack.callback(attributes.pop, "call")
            attributes["call"] = wrap(named_layer, named_layer.layer.call)
        yield
