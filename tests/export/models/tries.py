"""A try: a function that makes a model and arguments of `saved_model`, and what must happen."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

RIGHT, REFUSED, WARNED = "right", "refused", "warned"


class NotInstalledError(Exception):
    """Raised by a try that needs a package which is not installed."""


@dataclasses.dataclass
class Case:
    """The arguments of `saved_model`, and the answers that the export must give.

    Attributes:
        model: The model, or None.
        signatures: As in `saved_model`.
        example: As in `saved_model`.
        options: Dict of further arguments of `saved_model`.
        directory: The model's directory: a name in an empty folder, or an address.
        requests: List of `(signature, inputs)`. With None, two are drawn for each signature.
        expected: Dict of a signature's name to a function of its inputs by name, which returns its
            outputs. By default, the model itself or the signature's function is called.
        tolerance: The largest error, relative to the output's largest magnitude.
    """

    model: Any
    signatures: Mapping[str, Any] | None = None
    example: Any = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    directory: str = "m"
    requests: Sequence[tuple[str, Mapping[str, Any]]] | None = None
    expected: Mapping[str, Callable] = dataclasses.field(default_factory=dict)
    tolerance: float = 1e-5


class Try(NamedTuple):
    """A case, made by a function that gets an empty folder, and what must happen.

    The result is RIGHT, REFUSED (by an error that contains all the words) or WARNED (right, with a
    warning that contains them).
    """

    kind: str
    name: str
    make: Callable[[Any], Case]
    result: str
    words: tuple[str, ...]
    is_quick: bool


class Tries(list):
    """The tries of one kind of model; its methods decorate the functions that make the cases.

    The function's name is the name of the try. A function with an argument gets an empty folder.
    """

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def right(self, quick: bool = False) -> Callable:
        """The export must give the model's answers, without a warning."""
        return self._decorate(RIGHT, (), quick)

    def refused(self, *words: str, quick: bool = False) -> Callable:
        """The export must be refused, with a message that contains these words."""
        return self._decorate(REFUSED, words, quick)

    def warned(self, *words: str, quick: bool = False) -> Callable:
        """The export must give the model's answers, with a warning that contains these words."""
        return self._decorate(WARNED, words, quick)

    def _decorate(self, result: str, words: tuple[str, ...], quick: bool) -> Callable:
        """Return a decorator that adds a function to the list, and returns it."""

        def add(function: Callable) -> Callable:
            takes_folder = bool(inspect.signature(function).parameters)
            make = function if takes_folder else lambda _: function()
            name = function.__name__.replace("_", " ").strip()
            self.append(Try(self.kind, name, make, result, words, quick))
            return function

        return add

    def add(self, name: str, make: Callable[[], Case], quick: bool = False) -> None:
        """Add a try with a name of its own, whose export must give the model's answers."""
        self.append(Try(self.kind, name, lambda _: make(), RIGHT, (), quick))

    def refuse(
        self, name: str, make: Callable[[], Case], words: tuple[str, ...], quick: bool = False
    ) -> None:
        """Add a try with a name of its own, which must be refused with these words."""
        self.append(Try(self.kind, name, lambda _: make(), REFUSED, words, quick))
