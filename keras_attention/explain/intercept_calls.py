"""Intercept the calls of attention layers while a model runs."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

from keras_attention.explain.find_layers import NamedLayer
from keras_attention.explain.replace_calls import replace_calls


def intercept_calls(
    layers: Sequence[NamedLayer], handle: Callable[[NamedLayer, Callable, tuple, dict], Any]
) -> contextlib.AbstractContextManager[None]:
    """Pass the calls of some layers to one function that calls them instead.

    Args:
        layers: The layers.
        handle: Called as `handle(named_layer, call, args, kwargs)`, where `call` is the layer's own
            method; returns what the layer returns to its caller.
    """
    return replace_calls({named.layer: functools.partial(handle, named) for named in layers})


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
