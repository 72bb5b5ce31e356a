"""Attention weights as text, for the terminal."""

import re
import unicodedata

from keras_attention.visualize.characters import letters, visible, width
from keras_attention.visualize.samples import rank, read_samples

SHADES = " \u2591\u2592\u2593\u2588"
# What makes one emoji of several: some terminals draw the one, others the several.
JOINTS = re.compile("(?<=.)(\u200d(?=\\W)|[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff])")
RIGHT_TO_LEFT, LEFT_TO_RIGHT_MARK = ("R", "AL"), "\u200e"


def text_heatmap(weights, source_tokens, target_tokens):
    """Draws one matrix of attention weights with block characters.

    As in `heatmap`, a row is a target token and a column a source token. Source tokens are written
    downwards over their columns, which are two characters wide: so wide letters fit, and a sentence
    of words is no wider than the terminal. A weight is one of five shades, rounded: nothing below
    1/8, then light, medium and dark, and a full block from 7/8 on. Joined emoji are taken apart and
    lose their skin tone, as terminals disagree about how wide they are.

    Args:
        weights: (Tq, Tk), floats in [0, 1], of any backend.
        source_tokens: Tk strings, or fewer where the rest is padding. A string stands for its
            characters.
        target_tokens: Tq strings, likewise.

    Returns:
        A string of several lines, without an end of line at the end.

    Raises:
        ValueError: if `weights` is no matrix of numbers in [0, 1], or has fewer rows or columns
            than there are tokens.

    Example:
        >>> from keras_attention.visualize import text_heatmap
        >>> weights = [[0.9, 0.1, 0.0], [0.0, 0.5, 0.5]]
        >>> print(text_heatmap(weights, ["der", "Hund", "."], ["the", "dog"]))
              H
            d u
            e n
            r d .
        the ██
        dog   ▒▒▒▒
    """
    for name, tokens in (("source_tokens", source_tokens), ("target_tokens", target_tokens)):
        if tokens is None:
            raise ValueError(f"Expected `{name}` to be a list of strings. Received: {name}=None")
    if rank(weights) != 2:
        raise ValueError(
            f"Expected `weights` to be one matrix (Tq, Tk). Received: rank {rank(weights)}"
        )
    [sample] = read_samples(weights, source_tokens, target_tokens)
    headings = [letters(taken_apart(visible(token))) for token in sample.source]
    labels = [taken_apart(visible(token)) for token in sample.target]
    height = max(map(len, headings))
    margin = max(map(width, labels))
    lines = [" " * (margin + 1) + heading_line(headings, height, n) for n in range(height)]
    for label, row in zip(labels, sample.weights, strict=True):
        shades = "".join(2 * SHADES[int(4 * weight + 0.5)] for weight in row)
        lines.append(" " * (margin - width(label)) + label + " " + shades)
    return "\n".join(line.rstrip() for line in lines)


def taken_apart(text):
    """The text with every emoji for itself."""
    return JOINTS.sub("", text)


def heading_line(headings, height, line):
    """Line `line` of `height` of the headings, each of which ends at the last."""
    cells = []
    for heading in headings:
        start = height - len(heading)
        letter = heading[line - start] if line >= start else ""
        cells.append(kept_in_place(letter) + " " * (2 - width(letter)))
    return "".join(cells)


def kept_in_place(letter):
    """The letter, so that a terminal which turns right-to-left text round leaves it where it is."""
    turns = any(unicodedata.bidirectional(c) in RIGHT_TO_LEFT for c in letter)
    return letter + LEFT_TO_RIGHT_MARK if turns else letter
