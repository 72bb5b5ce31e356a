"""Maps of chosen locations of an image that attends to itself."""

import math
from typing import Any

import numpy as np

from keras_attention import arguments
from keras_attention.visualize.arrays import to_list


def parse_queries(queries: Any) -> list[tuple[int, int]]:
    """Return locations as a list of (row, column)."""
    pairs = [tuple(to_list("queries", pair)) for pair in to_list("queries", queries)]
    are_pairs = all(
        len(pair) == 2 and all(arguments.is_integer(n) and n >= 0 for n in pair) for pair in pairs
    )
    if not pairs or not are_pairs:
        raise ValueError(
            "Expected `queries` to be a list of (row, column), integers of at least 0. "
            f"Received: queries={queries!r}"
        )
    return pairs


def select_queries(weights: np.ndarray, queries: list) -> tuple[np.ndarray, list]:
    """Return the weights of the queries, (queries, ...), and their places (x, y) from 0 to 1.

    Args:
        weights: (rows, columns, h, w), or (rows * columns, h * w) of a square grid.
        queries: List of (row, column).
    """
    side = math.isqrt(len(weights))
    if weights.ndim == 2 and side**2 == len(weights):
        weights = weights.reshape(side, side, -1)
    elif weights.ndim != 4:
        raise ValueError(
            "Expected `weights` of shape (rows, columns, h, w), or (rows * columns, h * w) of a "
            f"square grid, because `queries` is given. Received: weights.shape={weights.shape}"
        )
    rows, columns = weights.shape[:2]
    if any(row >= rows or column >= columns for row, column in queries):
        raise ValueError(
            f"Expected `queries` in a grid of {rows} rows and {columns} columns. "
            f"Received: queries={queries!r}"
        )
    places = [((column + 0.5) / columns, (row + 0.5) / rows) for row, column in queries]
    return np.stack([weights[row, column] for row, column in queries]), places
