"""Words and sentences coloured by attention, in the manner of Yang et al. (2016), figure 5."""

import html
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_attention.visualize.characters import visible
from keras_attention.visualize.film_panel import to_array
from keras_attention.visualize.fonts import drawable
from keras_attention.visualize.samples import ROUNDING, rank, read_list
from keras_attention.visualize.save import SUFFIXES, picture_path, save, write

WORD, SENTENCE = (66, 133, 244), (219, 68, 55)  # blue and red, as in the paper
STRONGEST = 0.85  # opacity: the largest weight still lets black letters be read
# Inches of the picture: a page of text, its edge, a line, the space between words, a bar.
WIDTH, EDGE, LINE, SPACE, BAR = 7.5, 0.12, 0.24, 0.06, 0.14
SIZE = 10  # points


class Sentence(NamedTuple):
    """Words, their weights, how strongly each is coloured, 0 to 1, and so the bar, or None."""

    words: list
    weights: np.ndarray
    colors: np.ndarray
    bar: float | None


def colored_text(weights, words, sentence_weights=None, path=None):
    """Colours the words of one text by their attention weights, and its sentences beside them.

    The deeper the blue behind a word the larger its weight; the largest weight of the text has
    the full colour. Of a text of sentences each begins a line, and with `sentence_weights` a bar
    beside each is red likewise and a word is coloured by sqrt(sentence's weight) · word's weight,
    as in the paper: what counts little in a sentence that counts much is not hidden, nor the other
    way round.

    Args:
        weights: (T,) for T words; for sentences (S, T), or a list of S vectors of different
            lengths. Floats in [0, 1], of any backend. What goes beyond the words is padding.
        words: list of T strings, or list of S such lists, one for each sentence.
        sentence_weights: (S,), likewise. Default: no bars, and all sentences weigh alike.
        path: where to write it as well: `.html`, or as a picture `.png`, `.svg` or `.pdf` (which
            needs matplotlib). Missing folders are made, and an older file is replaced only when
            the new one is complete.

    Returns:
        The page as a string: HTML that needs no other file. A word's weight is shown when one
        points to it, as it was given.

    Raises:
        ValueError: for weights of another rank, not finite or beyond [0, 1]; for fewer weights
            than words or sentences; for words that are no strings; for another suffix.

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
    sentences = read_sentences(weights, words, sentence_weights)
    path = path if path is None else page_path(path)
    page = to_html(sentences)
    if path is not None and path.suffix.lower() == ".html":
        write(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    elif path is not None:
        save(draw(sentences), path)
    return page


def read_sentences(weights, words, sentence_weights):
    """The text as a list of `Sentence`; one, if it has no sentences."""
    texts = read_list("words", words)
    if texts and all(isinstance(word, str) for word in texts):
        texts, weights = [texts], [weights]
        if sentence_weights is not None:
            raise ValueError(
                "Expected `words` to be a list of sentences, as `sentence_weights` is given. "
                f"Received: words={words!r}"
            )
    texts = [read_list("words", text) for text in texts]
    if not all(texts) or not texts or not all(isinstance(w, str) for text in texts for w in text):
        raise ValueError(
            "Expected `words` to be a list of strings, or of lists of them, none of them empty. "
            f"Received: words={words!r}"
        )
    if rank(weights) not in (None, 2):
        raise ValueError(
            "Expected `weights` of shape (T,) for words, or (S, T) for sentences of them. "
            f"Received: weights of rank {rank(weights)}"
        )
    rows = [read_weights("weights", row) for row in enough("weights", weights, len(texts))]
    rows = [enough("weights", row, len(text)) for row, text in zip(rows, texts, strict=True)]
    if sentence_weights is None:
        bars = np.ones(len(texts), "float32")
    else:
        sentence_weights = read_weights("sentence_weights", sentence_weights)
        bars = enough("sentence_weights", sentence_weights, len(texts))
    colors = [np.sqrt(bar) * row for bar, row in zip(bars, rows, strict=True)]
    largest = max(row.max() for row in colors) or 1.0
    bars = [None] * len(texts) if sentence_weights is None else bars / (bars.max() or 1.0)
    return [
        Sentence(text, row, color / largest, bar)
        for text, row, color, bar in zip(texts, rows, colors, bars, strict=True)
    ]


def read_weights(name, weights):
    """One vector in [0, 1]; what rounding put beside the range is moved to its ends."""
    weights = to_array(name, weights)
    if weights.ndim != 1:
        raise ValueError(
            f"Expected `{name}` to be a vector for each list. "
            f"Received: a part of {name} of shape {weights.shape}"
        )
    if weights.size and (weights.min() < -ROUNDING or weights.max() > 1 + ROUNDING):
        raise ValueError(
            f"Expected `{name}` between 0 and 1. "
            f"Received: {name} from {weights.min():.4g} to {weights.max():.4g}"
        )
    return weights.clip(0, 1)


def enough(name, weights, count):
    """The first `count` of them: the rest is padding."""
    if len(weights) < count:
        raise ValueError(
            f"Expected `{name}` to hold a weight for each of {count} words or sentences. "
            f"Received: {len(weights)} of them"
        )
    return weights[:count]


def page_path(path):
    """The path as a `Path`, if its suffix is that of a page or of a picture."""
    if isinstance(path, (str, os.PathLike)) and Path(path).suffix.lower() == ".html":
        return Path(path)
    try:
        return picture_path(path)
    except ValueError:
        expected = (".html", *SUFFIXES)
        raise ValueError(
            f"Expected `path` to end in one of {expected}. Received: path={path!r}"
        ) from None


def to_html(sentences):
    """A page: a paragraph for each sentence, a coloured span for each word."""
    body = "\n".join(map(paragraph, sentences))
    return (
        '<!DOCTYPE html>\n<meta charset="utf-8">\n<title>Attention</title>\n'
        '<div style="max-width: 50em; font: 16px/1.6 sans-serif; color: black; background: white">'
        f"\n{body}\n</div>\n"
    )


def paragraph(sentence):
    """A sentence, and its bar on the left."""
    bar = (
        "" if sentence.bar is None else f" border-left: 0.8em solid {css(SENTENCE, sentence.bar)};"
    )
    spans = " ".join(
        f'<span style="background: {css(WORD, color)}" title="{weight:.3f}">'
        f"{html.escape(visible(word))}</span>"
        for word, weight, color in zip(*sentence[:3], strict=True)
    )
    return f'<p style="margin: 0.2em; padding-left: 0.5em;{bar}">{spans}</p>'


def css(color, strength):
    """The colour as CSS writes it."""
    return f"rgba({', '.join(map(str, color))}, {STRONGEST * strength:.3f})"


def draw(sentences):
    """The text as a figure, whose height is that of its lines."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    left = EDGE if sentences[0].bar is None else EDGE + BAR + 2 * SPACE
    top, right = EDGE, WIDTH - EDGE

    def color(x, width, height, rgb, strength):
        filled = [part / 255 for part in rgb]
        axes.add_patch(
            Rectangle((x, top), width, height, color=filled, alpha=STRONGEST * strength, lw=0)
        )

    for sentence in sentences:
        begin, x = top, left
        for word, strength in zip(sentence.words, sentence.colors, strict=True):
            text, families = drawable(visible(word))
            written = axes.text(
                0, 0, text, fontsize=SIZE, fontfamily=families, parse_math=False, va="center"
            )
            width = written.get_window_extent(figure.canvas.get_renderer()).width / figure.dpi
            if x > left and x + width > WIDTH - EDGE:
                x, top = left, top + LINE
            written.set_position((x, top + LINE / 2))
            color(x - SPACE / 2, width + SPACE, LINE, WORD, strength)
            x += width + SPACE
            right = max(right, x)
        end, top = top + LINE, begin
        if sentence.bar is not None:
            color(EDGE, BAR, end - begin, SENTENCE, sentence.bar)
        top = end + SPACE
    figure.set_size_inches(right + EDGE, top + EDGE)
    axes.set(xlim=(0, right + EDGE), ylim=(top + EDGE, 0))
    axes.set_axis_off()
    return figure
