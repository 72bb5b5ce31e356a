"""Intercept the calls of some layers while a model runs."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keras_attention.explain.find_layers import NamedLayer

_intercepting = threading.RLock()


@contextlib.contextmanager
def intercept_calls(
    layers: Sequence[NamedLayer], handle: Callable[[NamedLayer, Callable, tuple, dict], Any]
) -> Iterator[None]:
    """Pass the calls of some layers to a function that calls them instead.

    The calls of other threads are not intercepted. The layers' own methods are restored at the end.

    Args:
        layers: The layers.
        handle: Called as `handle(named_layer, call, args, kwargs)`, where `call` is the layer's own
            method; returns what the layer returns to its caller.
    """
    thread = threading.get_ident()

    def wrap(named_layer: NamedLayer, call: Callable) -> Callable:
        @functools.wraps(call)  # Keras and `EachStep` look up the arguments of a layer's `call`.
        def call_or_handle(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return call(*args, **kwargs)
            return handle(named_layer, call, args, kwargs)

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


def outermost_only(
    handle: Callable[[NamedLayer, Callable, tuple, dict], Any],
) -> Callable[[NamedLayer, Callable, tuple, dict], Any]:
    """Return a handler that does not intercept the calls inside an intercepted call."""
    is_inside = False

    @functools.wraps(handle)
    def handle_outermost(named_layer: NamedLayer, call: Callable, args: tuple, kwargs: dict) -> Any:
        nonlocal is_inside
        if is_inside:
            return call(*args, **kwargs)
        is_inside = True
        try:
            return handle(named_layer, call, args, kwargs)
        finally:
            is_inside = False

    return handle_outermost
