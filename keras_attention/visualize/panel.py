"""One attention matrix with its token labels, drawn on axes of its own."""

from keras_attention.visualize.characters import make_visible, split_graphemes
from keras_attention.visualize.column_images import draw_above, draw_marks
from keras_attention.visualize.fonts import choose_fonts

MIN_FONT_SIZE, MAX_FONT_SIZE = 7, 10  # points
MAX_CELL_SIZE, MAX_SIDE = 0.34, 11.0  # inches
TICK_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def cell_size(count: int) -> float:
    """Return the size in inches of each of `count` cells along one side of a matrix."""
    return min(MAX_CELL_SIZE, MAX_SIDE / count)


def draw_matrix(figure, sample, title):
    """Draw the sample on new axes and return them; `arrange_panels` places them later."""
    rows, columns = sample.weights.shape
    width, height = figure.get_size_inches()
    cell_width, cell_height = cell_size(columns), cell_size(rows)
    axes = figure.add_axes((0, 0, columns * cell_width / width, rows * cell_height / height))
    axes.imshow(sample.weights, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.grid(False)
    below = sample.above is not None  # whether the labels of the columns are below the matrix
    axes.tick_params(length=0, bottom=False, left=False, labelbottom=below, labeltop=not below)
    set_tick_labels(axes.xaxis, sample.source, columns, cell_width)
    set_tick_labels(axes.yaxis, sample.target, rows, cell_height)
    for label in axes.get_xticklabels():
        if sample.source is not None and len(split_graphemes(label.get_text())) > 1:
            label.set_rotation(90)
    top = axes if sample.above is None else draw_above(axes, sample.above, rows * cell_height)
    draw_marks(axes, sample.marks, above=below)
    if title:
        text, families = choose_fonts(make_visible(title))
        top.set_title(
            text, fontsize=MAX_FONT_SIZE + 2, fontfamily=families, parse_math=False, pad=8
        )
    return axes


def set_tick_labels(axis, tokens, count, cell):
    """Label the cells with their tokens or numbers, skipping those that would overlap.

    Args:
        axis: The x or y axis.
        tokens: List of strings, or None to number the cells.
        count: Int, the number of cells.
        cell: Float, the size of a cell in inches.
    """
    font_size = min(MAX_FONT_SIZE, max(MIN_FONT_SIZE, 0.62 * 72 * cell))
    label_size = 1.15 * font_size / 72 if tokens else 0.3
    step = next(n for n in (*TICK_STEPS, count) if n * cell >= label_size)
    ticks = range(0, count, step)
    labels = [choose_fonts(make_visible(tokens[n] if tokens else str(n))) for n in ticks]
    axis.set_ticks(ticks, [text for text, _ in labels], fontsize=font_size, parse_math=False)
    for label, (_, families) in zip(axis.get_ticklabels(), labels, strict=True):
        label.set_fontfamily(families)
