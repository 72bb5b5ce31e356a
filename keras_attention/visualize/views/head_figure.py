"""The picture of a head view: tokens, and lines between them."""

import numpy as np

from keras_attention.visualize.characters import make_visible
from keras_attention.visualize.figures import make_figure, measure_width
from keras_attention.visualize.fonts import choose_fonts
from keras_attention.visualize.views.colors import get_head_style

ROW_HEIGHT, LINES_WIDTH, MARGIN = 0.22, 2.6, 0.15  # inches
FONT_SIZE, LEGEND_HEIGHT = 10, 0.3  # points, inches


def draw_heads(layers, layer, heads, threshold):
    """Return a figure of one layer.

    Args:
        layers: A `Layers`.
        layer: Index of the layer.
        heads: Indices of the heads.
        threshold: The smallest weight that gets a line.
    """
    rows = max(len(layers.queries), len(layers.keys))
    figure = make_figure()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    left = write_tokens(axes, layers.queries, 0, "right")
    right = write_tokens(axes, layers.keys, LINES_WIDTH, "left")
    for slot, head in enumerate(heads):
        # The lines of the heads are side by side within the middle half of a row.
        offset = 0.5 * ((slot + 0.5) / len(heads) - 0.5)
        _draw_lines(axes, layers.weights[layer, head], head, offset, threshold)
    top = LEGEND_HEIGHT / ROW_HEIGHT
    _draw_legend(axes, layers.names[layer], heads, left)
    limits = left - MARGIN, max(right, left + 1.6 + 0.2 * len(heads)) + MARGIN
    axes.set(xlim=limits, ylim=(rows - 0.5 + MARGIN / ROW_HEIGHT, -0.5 - top))
    height = (rows + top) * ROW_HEIGHT + MARGIN
    figure.set_size_inches(limits[1] - limits[0], height)
    return figure


def write_tokens(axes, tokens, x, alignment):
    """Write one token in each row, and return the farthest x coordinate of their ends, in inches.

    Args:
        axes: The axes, whose x coordinates are in inches.
        tokens: List of strings.
        x: The coordinate at which tokens begin or end.
        alignment: "left" if they begin there, "right" if they end there.
    """
    widths = []
    for row, token in enumerate(tokens):
        text, families = choose_fonts(make_visible(token))
        label = axes.text(
            x, row, text, fontsize=FONT_SIZE, fontfamily=families, parse_math=False, va="center"
        )
        label.set_horizontalalignment(alignment)
        widths.append(measure_width(axes.figure, label))
    gap = 0.08 if alignment == "left" else -0.08
    for label in axes.texts[-len(tokens) :]:
        label.set_x(x + gap)
    return x + gap + (max(widths) if alignment == "left" else -max(widths))


def _draw_lines(axes, weights, head, offset, threshold):
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb

    color, dashes = get_head_style(head)
    queries, keys = np.nonzero((weights >= threshold) & (weights > 0))
    starts = np.stack([np.zeros(len(queries)), queries + offset], axis=-1)
    ends = np.stack([np.full(len(keys), LINES_WIDTH), keys + offset], axis=-1)
    colors = [(*to_rgb(color), weight) for weight in weights[queries, keys]]
    axes.add_collection(
        LineCollection(
            list(np.stack([starts, ends], axis=1)),
            colors=colors,
            linewidths=1.2,
            linestyles=dashes,
            zorder=1,
        )
    )


def _draw_legend(axes, name, heads, left):
    """Write the layer's name and the heads' numbers, in their colors, above the tokens."""
    y = -0.5 - LEGEND_HEIGHT / ROW_HEIGHT / 2
    text, families = choose_fonts(make_visible(f"{name}, heads"))
    title = axes.text(left, y, text, fontsize=FONT_SIZE, fontfamily=families, va="center")
    title.set_parse_math(False)
    x = left + 0.15 + measure_width(axes.figure, title)
    for head in heads:
        color, dashes = get_head_style(head)
        axes.plot([x, x + 0.16], [y + 0.55] * 2, color=color, linestyle=dashes, linewidth=2)
        axes.text(x + 0.08, y, str(head), fontsize=FONT_SIZE, ha="center", va="center")
        x += 0.24
