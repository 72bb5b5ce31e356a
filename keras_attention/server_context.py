"""Facts about the server for which a graph is traced, which change how layers are evaluated."""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import NamedTuple


class _Server(NamedTuple):
    max_length: int | None


_server: contextvars.ContextVar[_Server | None] = contextvars.ContextVar("server", default=None)


@contextlib.contextmanager
def trace_for_server(max_length: int | None = None) -> Iterator[None]:
    """Trace, within this context, graphs that a server runs.

    A server prepares a function at its first call. Therefore functions that are called rarely are
    not inlined. Converters to other formats (LiteRT) do not support this.

    Args:
        max_length: The longest sequence that the graph accepts, or None if that is unknown.
    """
    token = _server.set(_Server(max_length))
    try:
        yield
    finally:
        _server.reset(token)


def is_traced_for_server() -> bool:
    """Return whether the current graph is traced within `trace_for_server`."""
    return _server.get() is not None


def get_max_length() -> int | None:
    """Return the longest sequence that the current graph accepts, or None if that is unknown."""
    server = _server.get()
    return None if server is None else server.max_length
