"""Records of a request and of its result."""

from typing import NamedTuple


class Request(NamedTuple):
    """A request, and the answer that each version must give."""

    model: str
    signature: str
    inputs: dict
    expected: dict  # version: outputs by name


class Sent(NamedTuple):
    """The result of a request: its duration, and a description of what went wrong, or None."""

    request: Request
    seconds: float
    error: str | None
