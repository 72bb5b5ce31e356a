"""Look up arrays by the ends of their names, in a dict or a TensorFlow checkpoint."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

SUFFIX = re.compile(r"(/\.ATTRIBUTES/VARIABLE_VALUE|:\d+)$")


class NamedWeights:
    """Arrays that are looked up by the end of their name.

    Args:
        weights: A dict of names and arrays, or a reader of `tf.train.load_checkpoint`, whose
            arrays are read when they are needed.
        prefix: Only names that start with it are considered.
        patterns: Regular expressions of the names' components that vary, by the name that errors
            give them, such as `{"cell": ".*cell"}`.
    """

    def __init__(
        self, weights: Any, prefix: str = "", patterns: Mapping[str, str] | None = None
    ) -> None:
        if hasattr(weights, "get_variable_to_shape_map"):
            names, self._read = weights.get_variable_to_shape_map(), weights.get_tensor
        elif isinstance(weights, Mapping):
            names, self._read = weights, weights.__getitem__
        else:
            raise ValueError(
                "Expected `weights` to be a dict of names and arrays, or a reader of "
                f"tf.train.load_checkpoint. Received: weights of type {type(weights).__name__}"
            )
        self._prefix = prefix
        self._patterns = patterns or {}
        self._names = {
            _simplify(name): name
            for name in names
            if name.startswith(prefix) and "/.OPTIMIZER_SLOT/" not in name
        }

    def find(self, end: str) -> np.ndarray | None:
        """Return the array whose name ends with the components of `end`, or None.

        Args:
            end: Whole components, such as "query_layer/kernel". Leading underscores of a component
                and the suffixes of checkpoints are ignored.

        Raises:
            ValueError: If several names match.
        """
        parts = [self._patterns.get(part, re.escape(part)) for part in end.split("/")]
        pattern = re.compile("(.*/)?" + "/".join(f"({part})" for part in parts))
        names = [name for simple, name in self._names.items() if pattern.fullmatch(simple)]
        if len(names) > 1:
            raise ValueError(
                f"Expected one name that ends with {end!r}: pass a `prefix`, or a dict of the "
                f"right arrays only. Several attention mechanisms have no counterpart. Received: "
                f"{sorted(names)}"
            )
        return np.asarray(self._read(names[0])) if names else None

    def get(self, end: str) -> np.ndarray:
        """Return the array as `find` does.

        Args:
            end: As in `find`.

        Raises:
            ValueError: If no name matches, or several do.
        """
        array = self.find(end)
        if array is None:
            raise ValueError(
                f"Expected a name that ends with {end!r}. Received: prefix={self._prefix!r}, "
                f"{sorted(self._names.values())}"
            )
        return array


def _simplify(name: str) -> str:
    """Return a name without the suffixes of checkpoints and without leading underscores."""
    return "/".join(part.lstrip("_") for part in SUFFIX.sub("", name).split("/"))
