"""Attention matrices and their tokens, parsed from the arguments of a heatmap."""

from typing import Any, NamedTuple

import numpy as np

from keras_attention.visualize.arrays import check_count, get_rank, to_list, to_weights


class Sample(NamedTuple):
    """One attention matrix (Tq, Tk) without padding; tokens are a list, or None if not given."""

    weights: np.ndarray
    source: list | None
    target: list | None


def parse_samples(weights: Any, source_tokens: Any, target_tokens: Any) -> list[Sample]:
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
    # Without tokens, the slice ends at None and keeps every row or column.
    return [
        Sample(matrix[: target and len(target), : source and len(source)], source, target)
        for matrix, source, target in zip(matrices, sources, targets, strict=True)
    ]


def _parse_tokens(name, tokens, lengths, is_single):
    """Return a list of tokens or None for each matrix; `lengths` are the maximum token counts."""
    if tokens is None:
        return [None] * len(lengths)
    sentences = [tokens] if is_single else to_list(name, tokens)
    check_count(name, sentences, len(lengths), "matrices")
    sentences = [None if sentence is None else to_list(name, sentence) for sentence in sentences]
    for sentence, length in zip(sentences, lengths, strict=True):
        if sentence is not None and not 1 <= len(sentence) <= length:
            raise ValueError(
                f"Expected `{name}` to hold 1 to {length} tokens, at most one for each row or "
                f"column of the matrix. Received: {len(sentence)} tokens, {name}={sentence!r}"
            )
        if sentence is not None and not all(isinstance(token, str) for token in sentence):
            raise ValueError(f"Expected `{name}` to hold strings. Received: {name}={sentence!r}")
    return sentences
