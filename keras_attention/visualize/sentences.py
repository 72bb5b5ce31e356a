"""Sentences with their words' weights and colors, parsed from the arguments of a colored text."""

from typing import Any, NamedTuple

import numpy as np

from keras_attention.visualize.arrays import check_unit_range, get_rank, to_array, to_list


class Sentence(NamedTuple):
    """Words, their weights, the color strengths, 0 to 1, of the words and of the bar, or None."""

    words: list
    weights: np.ndarray
    colors: np.ndarray
    bar: float | None


def parse_sentences(weights: Any, words: Any, sentence_weights: Any) -> list[Sentence]:
    """Return the text as a list of `Sentence`; a plain list of words is one sentence."""
    texts = to_list("words", words)
    if texts and all(isinstance(word, str) for word in texts):
        texts, weights = [texts], [weights]
        if sentence_weights is not None:
            raise ValueError(
                "Expected `words` to be a list of sentences, because `sentence_weights` is given. "
                f"Received: words={words!r}"
            )
    texts = [to_list("words", text) for text in texts]
    if not all(texts) or not texts or not all(isinstance(w, str) for text in texts for w in text):
        raise ValueError(
            "Expected `words` to be a list of strings, or a list of non-empty lists of strings. "
            f"Received: words={words!r}"
        )
    if get_rank(weights) not in (None, 2):
        raise ValueError(
            "Expected `weights` of shape (T,) for words, or (S, T) for sentences of words. "
            f"Received: weights of rank {get_rank(weights)}"
        )
    rows = [_to_vector("weights", row) for row in _trim("weights", weights, len(texts))]
    rows = [_trim("weights", row, len(text)) for row, text in zip(rows, texts, strict=True)]
    if sentence_weights is None:
        bars = np.ones(len(texts), "float32")
    else:
        sentence_weights = _to_vector("sentence_weights", sentence_weights)
        bars = _trim("sentence_weights", sentence_weights, len(texts))
    colors = [np.sqrt(bar) * row for bar, row in zip(bars, rows, strict=True)]
    max_color = max(row.max() for row in colors) or 1.0
    bars = [None] * len(texts) if sentence_weights is None else bars / (bars.max() or 1.0)
    return [
        Sentence(text, row, color / max_color, bar)
        for text, row, color, bar in zip(texts, rows, colors, bars, strict=True)
    ]


def _to_vector(name, weights):
    """Return one vector of weights, with rounding errors clipped to [0, 1]."""
    weights = to_array(name, weights)
    if weights.ndim != 1:
        raise ValueError(
            f"Expected `{name}` to be one vector per list. "
            f"Received: a part of {name} of shape {weights.shape}"
        )
    check_unit_range(name, weights)
    return weights.clip(0, 1)


def _trim(name, weights, count):
    """Return the first `count` weights; the remaining ones are padding."""
    if len(weights) < count:
        raise ValueError(
            f"Expected `{name}` to hold a weight for each of {count} words or sentences. "
            f"Received: {len(weights)} of them"
        )
    return weights[:count]
