"""Attention matrices and their tokens, parsed from the arguments of a heatmap."""

from typing import Any, NamedTuple

import numpy as np

from keras_attention.visualize.arrays import check_count, get_rank, to_list, to_weights
from keras_attention.visualize.column_images import parse_images, parse_marks


class Sample(NamedTuple):
    """One attention matrix without padding, and what is drawn beside it.

    Attributes:
        weights: (Tq, Tk) float32.
        source, target: Lists of tokens, or None if not given.
        above: Image (rows, n Tk), or None.
        marks: Places (n,) between 0 and Tk.
    """

    weights: np.ndarray
    source: list | None
    target: list | None
    above: np.ndarray | None
    marks: np.ndarray


def parse_samples(
    weights: Any,
    source_tokens: Any,
    target_tokens: Any,
    above: Any = None,
    marks: Any = None,
) -> list[Sample]:
    """Return a list of `Sample`, one for each matrix of `weights`."""
    is_single = False
    if isinstance(weights, (list, tuple)) and all(get_rank(matrix) == 2 for matrix in weights):
        matrices = [to_weights(matrix) for matrix in weights]
    else:
        array = to_weights(weights)
        if array.ndim not in (2, 3):
            raise ValueError(
                "Expected `weights` of shape (Tq, Tk) or (N, Tq, Tk), or a list of matrices. "
                f"Received: weights.shape={array.shape}"
            )
        is_single = array.ndim == 2
        matrices = [array] if is_single else list(array)
    if not matrices or any(0 in matrix.shape for matrix in matrices):
        shapes = [matrix.shape for matrix in matrices]
        raise ValueError(f"Expected `weights` to be non-empty. Received: shapes={shapes}")
    sources = _parse_tokens(
        "source_tokens", source_tokens, [matrix.shape[1] for matrix in matrices], is_single
    )
    targets = _parse_tokens(
        "target_tokens", target_tokens, [matrix.shape[0] for matrix in matrices], is_single
    )
    shapes = [matrix.shape for matrix in matrices]
    images = parse_images(above, shapes, is_single)
    all_marks = parse_marks(marks, shapes, is_single)
    return [
        _remove_padding(*parts)
        for parts in zip(matrices, sources, targets, images, all_marks, strict=True)
    ]


def _remove_padding(weights, source, target, above, marks):
    """Return a `Sample` of the rows and columns that have tokens; without tokens, of all."""
    rows, columns = (
        size if tokens is None else len(tokens)
        for size, tokens in zip(weights.shape, (target, source), strict=True)
    )
    if above is not None:
        above = above[:, : columns * (above.shape[1] // weights.shape[1])]
    return Sample(weights[:rows, :columns], source, target, above, marks[marks <= columns])


def _parse_tokens(name, tokens, lengths, is_single):
    """Return a list of tokens or None for each matrix; `lengths` are the maximum token counts."""
    if tokens is None:
        return [None] * len(lengths)
    sentences = [tokens] if is_single else to_list(name, tokens)
    check_count(name, sentences, len(lengths), "matrices")
    sentences = [None if sentence is None else to_list(name, sentence) for sentence in sentences]
    for sentence, length in zip(sentences, lengths, strict=True):
        if sentence is not None:
            check_tokens(name, sentence, length)
    return sentences


def check_tokens(name: str, tokens: list, length: int) -> None:
    """Raise a ValueError unless a list holds 1 to `length` strings."""
    if not 1 <= len(tokens) <= length:
        raise ValueError(
            f"Expected `{name}` to hold 1 to {length} tokens, at most one for each row or column "
            f"of the matrix. Received: {len(tokens)} tokens, {name}={tokens!r}"
        )
    if not all(isinstance(token, str) for token in tokens):
        raise ValueError(f"Expected `{name}` to hold strings. Received: {name}={tokens!r}")
