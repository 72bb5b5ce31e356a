"""Attention weights and their tokens, read from what a caller has and checked by name."""

from typing import NamedTuple

import numpy as np
from keras import ops

ROUNDING = 1e-3


class Sample(NamedTuple):
    """One matrix (Tq, Tk) without its padding; tokens are a list, or None where none are known."""

    weights: np.ndarray
    source: list | None
    target: list | None


def read_samples(weights, source_tokens, target_tokens):
    """Returns a list of `Sample`, one for each matrix of `weights`."""
    single = False
    if isinstance(weights, (list, tuple)) and all(rank(matrix) == 2 for matrix in weights):
        matrices = [to_array(matrix) for matrix in weights]
    else:
        array = to_array(weights)
        if array.ndim not in (2, 3):
            raise ValueError(
                "Expected `weights` of shape (Tq, Tk) or (N, Tq, Tk), or a list of matrices. "
                f"Received: weights.shape={array.shape}"
            )
        single = array.ndim == 2
        matrices = [array] if single else list(array)
    if not matrices or any(0 in matrix.shape for matrix in matrices):
        shapes = [matrix.shape for matrix in matrices]
        raise ValueError(f"Expected `weights` to hold something. Received: shapes={shapes}")
    sources = read_tokens("source_tokens", source_tokens, [m.shape[1] for m in matrices], single)
    targets = read_tokens("target_tokens", target_tokens, [m.shape[0] for m in matrices], single)
    return [
        Sample(matrix[: target and len(target), : source and len(source)], source, target)
        for matrix, source, target in zip(matrices, sources, targets, strict=True)
    ]


def rank(matrix):
    """The rank of an array, a tensor or nested lists; None where rows differ in length."""
    try:
        return np.ndim(matrix)
    except ValueError:
        return None


def to_array(weights):
    """The weights as float32 in [0, 1]; what rounding put beside the range is moved to its ends."""
    try:
        array = np.asarray(ops.convert_to_numpy(weights))
        if array.dtype.kind in "OSUcmM":  # numpy would read "0.5", and drop imaginary parts
            raise TypeError(f"no real numbers but {array.dtype}")
        array = array.astype("float32")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected `weights` to be an array of real numbers. Received: weights={weights!r}"
        ) from error
    if not np.isfinite(array).all():
        raise ValueError(
            "Expected `weights` to be finite. "
            f"Received: {np.count_nonzero(~np.isfinite(array))} values that are not"
        )
    if array.size and (array.min() < -ROUNDING or array.max() > 1 + ROUNDING):
        raise ValueError(
            "Expected `weights` between 0 and 1. "
            f"Received: weights from {array.min():.4g} to {array.max():.4g}"
        )
    return array.clip(0, 1)


def read_tokens(name, tokens, lengths, single):
    """A list of tokens, or None, for each of the matrices, whose sizes are `lengths`."""
    if tokens is None:
        return [None] * len(lengths)
    lists = [tokens] if single else read_list(name, tokens, len(lengths))
    lists = [None if one is None else read_list(name, one) for one in lists]
    for one, length in zip(lists, lengths, strict=True):
        if one is not None and not 1 <= len(one) <= length:
            raise ValueError(
                f"Expected `{name}` to hold 1 to {length} tokens, as the matrix does. "
                f"Received: {len(one)} tokens, {name}={one!r}"
            )
        if one is not None and not all(isinstance(token, str) for token in one):
            raise ValueError(f"Expected `{name}` to hold strings. Received: {name}={one!r}")
    return lists


def read_list(name, value, count=None):
    """The items of `value`, which are `count` where that is given: one for each matrix."""
    try:
        items = list(value)
    except TypeError:
        raise ValueError(f"Expected `{name}` to be a list. Received: {name}={value!r}") from None
    if count is not None and len(items) != count:
        raise ValueError(
            f"Expected `{name}` to hold one item for each of the {count} matrices. "
            f"Received: {name}={value!r}"
        )
    return items
