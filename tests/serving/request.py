"""Records of a request and of its result."""

from typing import NamedTuple


class Request(NamedTuple):
    """A request, and the answer that each version must give."""

    model: str
    signature: str
    inputs: dict
    expected: dict  # version: outputs by name


class Sent(NamedTuple):
    """The result of a request: seconds, and a description of a wrong answer, or None."""

    request: Request
    seconds: float
    wrong: str | None
