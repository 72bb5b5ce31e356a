"""Sentences with their words' weights and colors, parsed from the arguments of `colored_text`."""

from typing import Any, NamedTuple

import numpy as np

from keras_attention.visualize.arrays import check_unit_range, get_rank, to_array, to_list
from keras_attention.visualize.text_colors import choose_rgb


class Sentence(NamedTuple):
    """A sentence of a colored text.

    Args:
        words: Its words.
        weights: The words' weights.
        colors: The strengths of the words' colors, from 0 to 1.
        rgbs: The words' colors at full strength.
        bar: The strength of the bar's color, from 0 to 1; None without sentence weights.
    """

    words: list
    weights: np.ndarray
    colors: np.ndarray
    rgbs: list[tuple[int, int, int]]
    bar: float | None


def parse_sentences(
    weights: Any,
    words: Any,
    sentence_weights: Any,
    is_absolute: bool = False,
    is_signed: bool = False,
) -> list[Sentence]:
    """Return the text as a list of `Sentence`; a plain list of words is one sentence.

    Args:
        weights: The argument of `colored_text`.
        words: The argument of `colored_text`.
        sentence_weights: The argument of `colored_text`.
        is_absolute: Whether weights of 1 have the full color, instead of the largest weight.
        is_signed: Whether the words' weights may be any real numbers.
    """
    sentences = to_list("words", words)
    if sentences and all(isinstance(word, str) for word in sentences):
        sentences, weights = [sentences], [weights]
        if sentence_weights is not None:
            raise ValueError(
                "Expected `words` to be a list of sentences, because `sentence_weights` is given. "
                f"Received: words={words!r}"
            )
    sentences = [to_list("words", sentence) for sentence in sentences]
    if (
        not all(sentences)
        or not sentences
        or not all(isinstance(w, str) for sentence in sentences for w in sentence)
    ):
        raise ValueError(
            "Expected `words` to be a list of strings, or a list of non-empty lists of strings. "
            f"Received: words={words!r}"
        )
    if get_rank(weights) not in (None, 2):
        raise ValueError(
            "Expected `weights` of shape (T,) for words, or (S, T) for sentences of words. "
            f"Received: weights of rank {get_rank(weights)}"
        )
    rows = [
        _to_vector("weights", row, is_signed) for row in _trim("weights", weights, len(sentences))
    ]
    rows = [
        _trim("weights", row, len(sentence)) for row, sentence in zip(rows, sentences, strict=True)
    ]
    if sentence_weights is None:
        bars = np.ones(len(sentences), "float32")
    else:
        sentence_weights = _to_vector("sentence_weights", sentence_weights)
        bars = _trim("sentence_weights", sentence_weights, len(sentences))
    colors = [np.sqrt(bar) * row for bar, row in zip(bars, rows, strict=True)]
    max_color = max_bar = 1.0
    if not is_absolute:
        max_color, max_bar = max(np.abs(row).max() for row in colors) or 1.0, bars.max() or 1.0
    bars = [None] * len(sentences) if sentence_weights is None else bars / max_bar
    return [
        Sentence(
            sentence,
            row,
            (np.abs(color) / max_color).clip(0, 1),
            [choose_rgb(weight, is_signed) for weight in row],
            bar,
        )
        for sentence, row, color, bar in zip(sentences, rows, colors, bars, strict=True)
    ]


def _to_vector(name, weights, is_signed=False):
    """Return one vector of weights; unless they are signed, clip rounding errors to [0, 1]."""
    weights = to_array(name, weights)
    if weights.ndim != 1:
        raise ValueError(
            f"Expected `{name}` to consist of vectors. "
            f"Received: a part of {name} of shape {weights.shape}"
        )
    if is_signed:
        return weights
    check_unit_range(name, weights)
    return weights.clip(0, 1)


def _trim(name, weights, count):
    """Return the first `count` weights; the remaining ones are padding."""
    if len(weights) < count:
        raise ValueError(
            f"Expected `{name}` to hold a weight for each of {count} words or sentences. "
            f"Received: {len(weights)} weights"
        )
    return weights[:count]
