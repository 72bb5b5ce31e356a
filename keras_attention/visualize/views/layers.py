"""Attention weights of several layers and heads, parsed from the arguments of a view."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from keras_attention import arguments
from keras_attention.visualize.arrays import to_list, to_weights
from keras_attention.visualize.samples import check_tokens


class Layers(NamedTuple):
    """Attention weights of a stack of layers.

    Attributes:
        names: Names of the layers.
        weights: (layers, heads, Tq, Tk) float32, without padding.
        queries, keys: Tokens of the rows and of the columns.
    """

    names: list[str]
    weights: np.ndarray
    queries: list[str]
    keys: list[str]


def parse_layers(weights: Any, tokens: Any, other_tokens: Any) -> Layers:
    """Return the arguments `weights`, `tokens` and `other_tokens` of a view as `Layers`."""
    names, arrays = [], []
    for name, array in list_layers("weights", weights):
        names.append(name)
        arrays.append(to_heads("weights", to_weights(array)))
    check_equal_shapes("weights", names, arrays)
    stack = np.stack(arrays)
    queries, keys = parse_token_pair(tokens, other_tokens, *stack.shape[2:])
    return Layers(names, stack[:, :, : len(queries), : len(keys)], queries, keys)


def list_layers(name: str, value: Any) -> list[tuple[str, Any]]:
    """Return the name and the array of each layer.

    Args:
        name: Name of the argument, for errors.
        value: One layer's array; a list of arrays; or a dict of arrays, or of lists of them, by
            layer name.
    """
    if isinstance(value, Mapping):
        layers = []
        for path, calls in value.items():
            if _is_array_list(calls):
                layers += [(f"{path}, call {n}", call) for n, call in enumerate(calls)]
            else:
                layers.append((str(path), calls))
    elif _is_array_list(value):
        layers = [(f"layer {n}", array) for n, array in enumerate(value)]
    else:
        layers = [("layer 0", value)]
    if not layers:
        raise ValueError(f"Expected `{name}` of at least one layer. Received: {name}={value!r}")
    return layers


def to_heads(name: str, array: np.ndarray) -> np.ndarray:
    """Return one layer's array (Tq, Tk), (heads, Tq, Tk) or (1, heads, Tq, Tk) with rank 3."""
    is_batch = array.ndim == 4 and array.shape[0] != 1
    if array.ndim not in (2, 3, 4) or is_batch or 0 in array.shape:
        advice = (
            f" Pass one example of the batch, {name}[0]; or the layers as a list, list({name})."
            if is_batch
            else ""
        )
        raise ValueError(
            f"Expected `{name}` of each layer to be (heads, T, any), (1, heads, T, any) or "
            f"(T, any).{advice} Received: {name} of shape {array.shape}"
        )
    return array.reshape(-1, *array.shape[-2:])


def check_equal_shapes(name: str, names: Any, arrays: Any) -> None:
    """Raise a ValueError unless the arrays of all layers have the same shape."""
    if len({array.shape for array in arrays}) > 1:
        shapes = {path: array.shape for path, array in zip(names, arrays, strict=True)}
        raise ValueError(
            f"Expected `{name}` of all layers to have the same shape; draw layers of different "
            f"shapes in separate views. Received: shapes={shapes}"
        )


def parse_token_pair(tokens: Any, other_tokens: Any, rows: int, columns: int) -> tuple[list, list]:
    """Return the tokens of the queries and of the keys, at most `rows` and `columns` strings."""
    queries = to_list("tokens", tokens)
    check_tokens("tokens", queries, rows)
    if other_tokens is None:
        if rows != columns:
            raise ValueError(
                "Expected `other_tokens`, because queries and keys differ in their number. "
                f"Received: other_tokens=None, {rows} queries, {columns} keys"
            )
        return queries, queries
    keys = to_list("other_tokens", other_tokens)
    check_tokens("other_tokens", keys, columns)
    return queries, keys


def check_index(name: str, value: Any, count: int) -> int:
    """Return `value` if it is an integer from 0 to `count` - 1."""
    if not arguments.is_integer(value) or not 0 <= value < count:
        raise ValueError(
            f"Expected `{name}` to be an integer from 0 to {count - 1}. Received: {name}={value!r}"
        )
    return int(value)


def _is_array_list(value):
    """Return True for a list of arrays or tensors, False for nested lists of numbers."""
    return isinstance(value, list | tuple) and all(hasattr(item, "shape") for item in value)
