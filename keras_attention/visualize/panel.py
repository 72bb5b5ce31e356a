"""One matrix of weights and its labels, on axes of its own."""

from keras_attention.visualize.characters import letters, visible
from keras_attention.visualize.fonts import drawable

SMALLEST, LARGEST = 7, 10  # points
CELL, LONGEST = 0.34, 11.0  # inches: a cell, and the longest side before its cells shrink


def cell_size(count):
    """Inches of a cell along a side of `count`; the other side does not matter."""
    return min(CELL, LONGEST / count)


def draw(figure, sample, title):
    """Returns new axes with the sample's cells and labels, for `arrange` to place."""
    rows, columns = sample.weights.shape
    width, height = figure.get_size_inches()
    across, down = cell_size(columns), cell_size(rows)
    axes = figure.add_axes((0, 0, columns * across / width, rows * down / height))
    axes.imshow(sample.weights, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.grid(False)
    axes.tick_params(length=0, bottom=False, left=False, labelbottom=False, labeltop=True)
    label(axes.xaxis, sample.source, columns, across)
    label(axes.yaxis, sample.target, rows, down)
    for heading in axes.get_xticklabels():
        if len(letters(heading.get_text())) > 1 and sample.source is not None:
            heading.set_rotation(90)
    if title:
        text, families = drawable(visible(title))
        axes.set_title(text, fontsize=LARGEST + 2, fontfamily=families, parse_math=False, pad=8)
    return axes


def label(axis, tokens, count, cell):
    """Writes the tokens, or where there are none their numbers, as many as there is room for."""
    size = min(LARGEST, max(SMALLEST, 0.62 * 72 * cell))
    room = 1.15 * size / 72 if tokens else 0.3
    step = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, count) if n * cell >= room)
    places = range(0, count, step)
    drawn = [drawable(visible(tokens[n] if tokens else str(n))) for n in places]
    axis.set_ticks(places, [text for text, _ in drawn], fontsize=size, parse_math=False)
    for written, (_, families) in zip(axis.get_ticklabels(), drawn, strict=True):
        written.set_fontfamily(families)
