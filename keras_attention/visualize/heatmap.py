"""Attention weights as a heatmap, in the style of Bahdanau et al. (2015), figure 3."""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_attention.arguments import positive_integer
from keras_attention.types import Tensor
from keras_attention.visualize.arrays import check_count, get_rank, to_array, to_list
from keras_attention.visualize.figures import make_figure
from keras_attention.visualize.grid import arrange_panels
from keras_attention.visualize.panel import cell_size, draw_matrix
from keras_attention.visualize.samples import parse_samples
from keras_attention.visualize.save import save_figure, to_picture_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_GRID_WIDTH = 15.0  # inches


def heatmap(
    weights: Tensor | Sequence[Tensor],
    source_tokens: Sequence | None = None,
    target_tokens: Sequence | None = None,
    titles: str | Sequence[str | None] | None = None,
    columns: int | None = None,
    path: str | os.PathLike | None = None,
    above: Tensor | Sequence[Tensor | None] | None = None,
    marks: Sequence | None = None,
) -> "Figure":
    """Draw attention weights: one row per target token, one column per source token.

    Black is 0 and white is 1. The source tokens are along the top, rotated if they are longer than
    one character. Several matrices form a grid, and the figure grows with them so that labels
    stay readable. A side of a matrix is at most 11 inches long: beyond 32 tokens its cells become
    narrower, and beyond 98 tokens only every second, fifth, tenth, ... token is labeled.
    Characters that the default font lacks are drawn in another installed font that has them. If
    there is none, the label shows their code points, such as `U+65E5`, as it does for invisible
    characters.

    Args:
        weights: (Tq, Tk) or (N, Tq, Tk), or a list of matrices of different sizes; floats in
            [0, 1], of any backend. A vector (Tk,), such as the weights of `AttentionPooling`, is a
            matrix of one row, which has no label by default.
        source_tokens: For one matrix, a list of Tk strings; for several matrices, a list with one
            such list or None for each. If there are fewer tokens than columns, the remaining
            columns are padding and are not drawn. A string is split into its characters. Default:
            numbered columns.
        target_tokens: Like `source_tokens`, with Tq strings for the rows.
        titles: For one matrix, a string; for several, a list with a string or None for each.
        columns: The number of matrices per row of the grid. Default: an approximately square grid.
        path: The file to write: `.png`, `.svg` or `.pdf`. Missing directories are created, and an
            existing file is replaced atomically. Default: no file.
        above: An image to draw above the matrix, such as the spectrogram or the signal from which
            the keys were computed: (rows, n Tk), any real numbers, n columns for each column of the
            matrix. The labels of the columns are then below the matrix. For several matrices, a
            list with an image or None for each.
        marks: Places of ticks on the axis of the columns, such as known boundaries of words:
            numbers from 0, the left edge of the first column, to Tk, the right edge of the last
            one. For several matrices, a list with a list or None for each.

    Returns:
        A `matplotlib.figure.Figure`, which is not registered with pyplot.

    Raises:
        ValueError: If weights have the wrong rank, are not finite or not in [0, 1]; if there are
            more tokens than rows or columns; if the length of a list is not the number of
            matrices; if the path has an unsupported suffix; if the columns of an image are not a
            multiple of the matrix's, or a mark is outside of it.

    Example:
        >>> from keras_attention.visualize import heatmap
        >>> weights = [[0.9, 0.1, 0.0], [0.0, 0.5, 0.5]]
        >>> figure = heatmap(weights, ["der", "Hund", "."], ["the", "dog"])
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
        ['the', 'dog']

    Differs from the paper's figure in having a color bar.

    Reference: Bahdanau, Cho, Bengio, "Neural Machine Translation by Jointly Learning to Align and
    Translate", ICLR 2015, section 5.2.1.
    """
    is_vector = get_rank(weights) == 1
    if is_vector:
        weights = to_array("weights", weights)[None]
    samples = parse_samples(weights, source_tokens, target_tokens, above, marks)
    titles = parse_titles(titles, len(samples))
    columns = positive_integer("columns", columns, optional=True)
    grid_columns = min(columns or default_columns(samples), len(samples))
    path = path if path is None else to_picture_path(path)

    figure = make_figure()
    panels = [
        draw_matrix(figure, sample, title) for sample, title in zip(samples, titles, strict=True)
    ]
    if is_vector and target_tokens is None:
        panels[0].set_yticks([])
    arrange_panels(figure, panels, grid_columns)
    if path is not None:
        save_figure(figure, path)
    return figure


def parse_titles(titles, count):
    """Return a list with a title or None for each of `count` matrices."""
    if titles is None:
        return [None] * count
    titles = [titles] if isinstance(titles, str) else to_list("titles", titles)
    check_count("titles", titles, count, "matrices")
    if not all(title is None or isinstance(title, str) for title in titles):
        raise ValueError(f"Expected `titles` to be strings. Received: titles={titles!r}")
    return titles


def default_columns(samples):
    """Return how many columns make an almost square grid no wider than `MAX_GRID_WIDTH`."""
    counts = (sample.weights.shape[1] for sample in samples)
    matrix_width = max(count * cell_size(count) for count in counts)
    max_columns = int(MAX_GRID_WIDTH / (matrix_width + 1))
    return max(1, min(math.ceil(math.sqrt(len(samples))), max_columns))
