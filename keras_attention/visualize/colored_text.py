"""Words and sentences colored by attention, in the style of Yang et al. (2016), figure 5."""

import os
from collections.abc import Sequence
from typing import Literal

from keras_attention import arguments
from keras_attention.types import Tensor
from keras_attention.visualize.save import (
    PAGE_SUFFIXES,
    save_figure,
    to_picture_path,
    write_atomically,
)
from keras_attention.visualize.sentences import parse_sentences
from keras_attention.visualize.text_figure import draw_text
from keras_attention.visualize.text_page import to_html


def colored_text(
    weights: Tensor | Sequence[Tensor],
    words: Sequence[str] | Sequence[Sequence[str]],
    sentence_weights: Tensor | None = None,
    path: str | os.PathLike | None = None,
    scale: Literal["relative", "absolute"] = "relative",
    signed: bool = False,
) -> str:
    """Color the words of a text, and bars beside its sentences, by their attention weights.

    The larger a word's weight, the deeper its blue background; the word with the largest weight of
    the text has the full color. If the text has sentences, each begins on a new line. With
    `sentence_weights`, each sentence has a bar that is redder the larger its weight, and a word is
    colored by sqrt(sentence weight) · word weight, as in the paper: an unimportant word in an
    important sentence stays visible, as does an important word in an unimportant sentence.

    With `signed=True`, numbers may be negative, such as the saliency of words for a class: words
    with positive numbers are red, and words with negative numbers are blue.

    Args:
        weights: (T,) for T words; for sentences (S, T), or a list of S vectors of different
            lengths. Floats in [0, 1], of any backend. Weights beyond the last word are ignored,
            because they belong to padding.
        words: List of T strings, or list of S such lists, one per sentence.
        sentence_weights: (S,), floats in [0, 1]. Default: no bars, and equal sentence weights.
        path: The file to write: `.html`, or a picture `.png`, `.svg` or `.pdf` (which needs
            matplotlib). Missing directories are created, and an existing file is replaced
            atomically. Default: no file.
        scale: "relative" gives the full color to the word, and to the sentence, with the largest
            weight of the text; "absolute" gives it to weights of 1 or more, so that texts can be
            compared.
        signed: Whether `weights` may be any real numbers.

    Returns:
        The text as a self-contained HTML page. Hovering over a word shows its unscaled weight.

    Raises:
        ValueError: If weights have the wrong rank, are not finite or, unless
            `signed`, not in [0, 1]; if there are
            fewer weights than words or sentences; if words are not strings; if the path has
            an unsupported suffix.

    Example:
        >>> from keras_attention.visualize import colored_text
        >>> sentences = [["what", "a", "bore", "."], ["avoid", "!"]]
        >>> weights = [[0.1, 0.1, 0.7, 0.1], [0.8, 0.2]]
        >>> page = colored_text(weights, sentences, sentence_weights=[0.4, 0.6])
        >>> page.count("<p"), page.count("<span")
        (2, 6)

    Reference: Yang et al., "Hierarchical Attention Networks for Document Classification",
    NAACL 2016, section 3.5, https://aclanthology.org/N16-1174.
    """
    arguments.one_of("scale", scale, ("relative", "absolute"))
    arguments.boolean("signed", signed)
    sentences = parse_sentences(weights, words, sentence_weights, scale == "absolute", signed)
    path = path if path is None else to_picture_path(path, PAGE_SUFFIXES)
    page = to_html(sentences)
    if path is not None and path.suffix.lower() == ".html":
        write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    elif path is not None:
        save_figure(draw_text(sentences), path)
    return page
