"""Record the arguments and results of all calls of a layer."""

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest import mock

import keras


class RecordedCall(NamedTuple):
    """One call of a layer: the arguments that were passed, by name, and the result."""

    arguments: dict[str, Any]
    result: Any


@contextlib.contextmanager
def record_calls(layer: keras.layers.Layer) -> Iterator[list[RecordedCall]]:
    """Yield a list to which each call of the layer is appended.

    Args:
        layer: The layer. Other layers of its class are not recorded.
    """
    calls = []
    function = type(layer).__call__

    def call_and_record(self, *args, **kwargs):
        result = function(self, *args, **kwargs)
        if self is layer:
            calls.append(RecordedCall(_bind(layer.call, args, kwargs), result))
        return result

    with mock.patch.object(type(layer), "__call__", call_and_record):
        yield calls


def _bind(function, args, kwargs):
    """Return the arguments of a call by name, including those in `**kwargs`."""
    signature = inspect.signature(function)
    arguments = dict(signature.bind(*args, **kwargs).arguments)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments |= arguments.pop(parameter.name, {})
    return arguments
