"""Attention weights as a heatmap of block characters, for the terminal."""

import re
import unicodedata
from collections.abc import Sequence

from keras_attention.types import Tensor
from keras_attention.visualize.arrays import get_rank
from keras_attention.visualize.characters import make_visible, split_graphemes, terminal_width
from keras_attention.visualize.samples import parse_samples

SHADES = " \u2591\u2592\u2593\u2588"
# Zero-width joiner, variation selectors, skin tones: some terminals draw a sequence with them as
# one emoji, others as several.
EMOJI_JOINTS = re.compile("(?<=.)(\u200d(?=\\W)|[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff])")
RIGHT_TO_LEFT_CLASSES, LEFT_TO_RIGHT_MARK = ("R", "AL"), "\u200e"


def text_heatmap(
    weights: Tensor, source_tokens: Sequence[str], target_tokens: Sequence[str]
) -> str:
    """Draw one matrix of attention weights with block characters.

    As in `heatmap`, rows are target tokens and columns are source tokens. Source tokens are written
    from top to bottom above their columns. A column is two characters wide: enough for wide (East
    Asian) characters, and narrow enough for a sentence to fit the terminal. A weight is rounded to
    one of five shades: blank below 1/8, then light, medium and dark, and a full block from 7/8.
    Joined emoji are split and lose their skin tone, because their widths differ between terminals.

    Args:
        weights: (Tq, Tk), floats in [0, 1], of any backend.
        source_tokens: Tk strings, or fewer if the remaining columns are padding. A string is split
            into its characters.
        target_tokens: Tq strings, or fewer if the remaining rows are padding.

    Returns:
        A string of several lines, without a trailing newline.

    Raises:
        ValueError: If `weights` is not a matrix of numbers in [0, 1], or if there are more tokens
            than rows or columns.
        ImportError: If `wcwidth` is not installed.

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
    if get_rank(weights) != 2:
        raise ValueError(
            f"Expected `weights` to be one matrix (Tq, Tk). Received: rank {get_rank(weights)}"
        )
    [sample] = parse_samples(weights, source_tokens, target_tokens)
    headings = [split_graphemes(split_emoji(make_visible(token))) for token in sample.source or []]
    labels = [split_emoji(make_visible(token)) for token in sample.target or []]
    height = max(map(len, headings))
    margin = max(map(terminal_width, labels))
    lines = [" " * (margin + 1) + format_heading(headings, height, n) for n in range(height)]
    for label, row in zip(labels, sample.weights, strict=True):
        shades = "".join(2 * SHADES[int(4 * weight + 0.5)] for weight in row)
        lines.append(" " * (margin - terminal_width(label)) + label + " " + shades)
    return "\n".join(line.rstrip() for line in lines)


def split_emoji(text: str) -> str:
    """Return the text with joined emoji split into single ones of the default skin tone."""
    return EMOJI_JOINTS.sub("", text)


def format_heading(headings: list[list[str]], height: int, line: int) -> str:
    """Return the line with index `line` of vertical headings, which end at the same line.

    Args:
        headings: The graphemes of each heading.
        height: The number of lines.
        line: The line's index.
    """
    cells = []
    for heading in headings:
        start = height - len(heading)
        grapheme = heading[line - start] if line >= start else ""
        cells.append(_keep_position(grapheme) + " " * (2 - terminal_width(grapheme)))
    return "".join(cells)


def _keep_position(grapheme):
    """Append a mark to right-to-left characters, so that terminals do not reorder the columns."""
    is_right_to_left = any(unicodedata.bidirectional(c) in RIGHT_TO_LEFT_CLASSES for c in grapheme)
    return grapheme + LEFT_TO_RIGHT_MARK if is_right_to_left else grapheme
