"""Mark the graphs that are traced for a server, which prepares a function at its first call."""

import contextlib
import contextvars
from collections.abc import Iterator

_is_for_server = contextvars.ContextVar("is_for_server", default=False)


@contextlib.contextmanager
def trace_for_server() -> Iterator[None]:
    """Trace, within this context, graphs that a server runs.

    Their rare functions are not inlined. Converters to other formats (LiteRT) do not support this.
    """
    token = _is_for_server.set(True)
    try:
        yield
    finally:
        _is_for_server.reset(token)


def is_traced_for_server() -> bool:
    """Return whether the current graph is traced within `trace_for_server`."""
    return _is_for_server.get()
