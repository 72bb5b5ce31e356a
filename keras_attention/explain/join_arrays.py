"""Join the arrays of several calls."""

from collections.abc import Sequence

import numpy as np


def join(arrays: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Concatenate arrays; where they differ along other axes, append zeros to the smaller ones."""
    sizes = np.max([array.shape for array in arrays], axis=0)
    padded = []
    for array in arrays:
        missing = [0 if k == axis else sizes[k] - size for k, size in enumerate(array.shape)]
        padded.append(np.pad(array, [(0, count) for count in missing]))
    return np.concatenate(padded, axis=axis)


def check_equal_counts(key: str, calls: Sequence[Sequence], parts: str) -> None:
    """Raise a ValueError if a layer is not called equally often in each of several parts.

    Args:
        key: The path of the layer.
        calls: The arrays of its calls, for each part.
        parts: What the parts are, in the plural.
    """
    counts = sorted({len(arrays) for arrays in calls})
    if len(counts) > 1:
        raise ValueError(
            f"Expected {key!r} to be called equally often in all {parts}, because their weights "
            f"are joined. Received: {' and '.join(map(str, counts))} calls"
        )
