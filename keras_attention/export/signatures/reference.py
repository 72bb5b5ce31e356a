"""A second way to compute a signature's outputs, with which the self-check compares the export."""

from collections.abc import Callable, Mapping
from typing import Any

from keras_attention.types import Tensor


class CheckedFunction:
    """A signature's function that comes with a second, independent way to compute its outputs.

    The function is what an export contains. If the self-check compared the export with the same
    function, it would not detect an error that both share.

    Args:
        function: Called with the signature's inputs by name; returns a dict of tensors by name.
        compute_reference: Takes the same arguments and returns the same outputs. It is only called
            eagerly.
        lengths: Dict from the name of each sequence to the name of its lengths, for a signature
            with lengths. Default None.
    """

    def __init__(
        self,
        function: Callable,
        compute_reference: Callable,
        lengths: Mapping[str, str] | None = None,
    ):
        self.function = function
        self.compute_reference = compute_reference
        self.lengths = dict(lengths or {})

    def __call__(self, **tensors: Tensor) -> Any:
        return self.function(**tensors)


def get_reference(function: Callable) -> Callable:
    """Return the function to compare an export with: by default, the exported function itself."""
    return function.compute_reference if isinstance(function, CheckedFunction) else function


def get_lengths(function: Callable) -> dict[str, str]:
    """Return the names of a signature's lengths by the names of its sequences."""
    return function.lengths if isinstance(function, CheckedFunction) else {}
