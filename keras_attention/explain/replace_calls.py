"""Replace the calls of some of a model's layers while the model runs."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping

import keras

_replacing = threading.RLock()


@contextlib.contextmanager
def replace_calls(handlers: Mapping[keras.Operation, Callable]) -> Iterator[None]:
    """Pass the calls of some operations to functions that call them instead.

    The calls of other threads are not replaced. Nothing of the model is different afterwards.

    Args:
        handlers: By layer or other Keras operation, a function `(call, args, kwargs) -> outputs`,
            where `call` is the operation's own method.
    """
    thread = threading.get_ident()

    def wrap(call, handle):
        @functools.wraps(call)  # Keras and `EachStep` look up the arguments of a layer's `call`.
        def call_or_handle(*args, **kwargs):
            if threading.get_ident() != thread:
                return call(*args, **kwargs)
            return handle(call, args, kwargs)

        return call_or_handle

    with _replacing, contextlib.ExitStack() as stack:
        for operation, handle in handlers.items():
            # An attribute in `vars` hides the method, and Keras does not track it.
            attributes = vars(operation)
            previous = {"call": attributes["call"]} if "call" in attributes else {}
            stack.callback(attributes.update, previous)
            stack.callback(attributes.pop, "call")
            attributes["call"] = wrap(operation.call, handle)
        yield
