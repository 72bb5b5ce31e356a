"""A decorator that makes a check's error name the layer and the promise that it breaks."""

import functools
from collections.abc import Callable

from keras_attention.testing.case import LayerCase


def promise(text: str, applies: Callable[[LayerCase], bool] = lambda case: True):
    """Return a decorator that turns a function `(case, ...)` into a check of one promise.

    Whatever the decorated function raises becomes an `AssertionError` whose message starts with
    the layer and the promise, and whose cause is the original error.

    Args:
        text: The promise as a sentence, without its period.
        applies: Function that returns whether a case can keep the promise at all, for example
            whether the layer takes masks.
    """

    def decorate(function):
        @functools.wraps(function)
        def check(case: LayerCase, *args, **kwargs) -> None:
            try:
                function(case, *args, **kwargs)
            except Exception as error:
                settings = [repr(x) for x in args] + [f"{k}={v!r}" for k, v in kwargs.items()]
                suffix = f" ({', '.join(settings)})" if settings else ""
                raise AssertionError(
                    f"{case.name} breaks the promise: {text}{suffix}. "
                    f"{type(error).__name__}: {error}"
                ) from error

        vars(check).update(promise=text, applies=applies)
        return check

    return decorate


def require(condition, message: str) -> None:
    """Raise an `AssertionError` with the message unless the condition holds."""
    if not condition:
        raise AssertionError(message)
