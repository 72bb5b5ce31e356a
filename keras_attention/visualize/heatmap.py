"""Attention weights as a picture, in the manner of Bahdanau et al. (2015), figure 3."""

import math

from keras_attention.arguments import positive_integer
from keras_attention.visualize.grid import arrange
from keras_attention.visualize.panel import cell_size, draw
from keras_attention.visualize.samples import read_list, read_samples
from keras_attention.visualize.save import picture_path, save

WIDEST = 15.0  # inches: a row of several matrices


def heatmap(weights, source_tokens=None, target_tokens=None, titles=None, columns=None, path=None):
    """Draws attention weights: a row for each target token, a column for each source token.

    Black is 0 and white is 1. The source tokens stand along the top, turned when they are longer
    than a character. Several matrices make a grid, and the figure grows with them so that labels
    stay readable. A side of a matrix is 11 inches at most: of more than 32 tokens the cells become
    narrower along that side, and of more than 98 only every second, fifth, tenth, ... is written.
    Characters that the default font lacks are drawn in an installed font that has them; where none
    has, the label is the character's number, `U+65E5`, as it is for invisible ones.

    Args:
        weights: (Tq, Tk) or (N, Tq, Tk), or a list of matrices of different sizes; floats in
            [0, 1], of any backend.
        source_tokens: Tk strings for one matrix, or for several a list of such lists, any of which
            may be None. Where there are fewer tokens than columns, the rest is padding and is not
            drawn. A string stands for its characters. Default: the columns are numbered.
        target_tokens: likewise, Tq strings for the rows.
        titles: a string for one matrix, or a list of one for each matrix.
        columns: how many matrices stand side by side. Default: what makes about a square.
        path: where to write the picture as well: `.png`, `.svg` or `.pdf`. Missing folders are
            made, and an older file is replaced only when the new one is complete.

    Returns:
        A `matplotlib.figure.Figure`, which belongs to nobody else: pyplot does not know it.

    Raises:
        ValueError: for weights of another rank, not finite or beyond [0, 1]; for more tokens than
            rows or columns; for lists that do not fit the number of matrices; for another suffix.

    Example:
        >>> from keras_attention.visualize import heatmap
        >>> weights = [[0.9, 0.1, 0.0], [0.0, 0.5, 0.5]]
        >>> figure = heatmap(weights, ["der", "Hund", "."], ["the", "dog"])
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
        ['the', 'dog']

    Unlike the paper's figure this one has a colour bar.

    Reference: Bahdanau, Cho, Bengio, "Neural Machine Translation by Jointly Learning to Align and
    Translate", ICLR 2015, section 5.2.1.
    """
    samples = read_samples(weights, source_tokens, target_tokens)
    titles = read_titles(titles, len(samples))
    columns = positive_integer("columns", columns, optional=True) or usual_columns(samples)
    path = path if path is None else picture_path(path)

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(dpi=150)
    FigureCanvasAgg(figure)
    panels = [draw(figure, *one) for one in zip(samples, titles, strict=True)]
    arrange(figure, panels, min(columns, len(samples)))
    if path is not None:
        save(figure, path)
    return figure


def read_titles(titles, count):
    """A title, or None, for each of `count` matrices."""
    if titles is None:
        return [None] * count
    titles = read_list("titles", [titles] if isinstance(titles, str) else titles, count)
    if not all(title is None or isinstance(title, str) for title in titles):
        raise ValueError(f"Expected `titles` to be strings. Received: titles={titles!r}")
    return titles


def usual_columns(samples):
    """How many matrices stand side by side: about a square, and no wider than a screen."""
    widths = (sample.weights.shape[1] for sample in samples)
    widest = max(columns * cell_size(columns) for columns in widths)
    return max(1, min(math.ceil(math.sqrt(len(samples))), int(WIDEST / (widest + 1))))
