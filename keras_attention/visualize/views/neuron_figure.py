"""The picture of a neuron view: vectors, products, scores and weights of one query."""

import numpy as np

from keras_attention.visualize.characters import make_visible
from keras_attention.visualize.figures import make_figure
from keras_attention.visualize.fonts import choose_fonts
from keras_attention.visualize.views.colors import HEAD_COLORS
from keras_attention.visualize.views.neurons import weigh_keys

ROW_HEIGHT, CELLS_WIDTH, BARS_WIDTH = 0.22, 3.0, 1.1  # inches
FONT_SIZE = 10  # points


def draw_neurons(neurons, layer, head, token):
    """Return a figure of one query.

    Args:
        neurons: A `Neurons`.
        layer: Index of the layer.
        head: Index of the head.
        token: Index of the query.
    """
    query, keys = neurons.queries[layer, head, token], neurons.keys[layer, head]
    products, scores, weights = weigh_keys(neurons, layer, head, token)
    scores = np.where(neurons.mask[token], scores, np.nan)
    rows, columns = len(keys), (CELLS_WIDTH, CELLS_WIDTH, BARS_WIDTH, BARS_WIDTH)
    figure = make_figure(layout="constrained")
    figure.set_size_inches(sum(columns) + 2, ROW_HEIGHT * (rows + 2) + 1.4)
    grid = figure.add_gridspec(2, 4, height_ratios=(1, rows), width_ratios=columns)
    top = figure.add_subplot(grid[0, 0])
    limit = max(np.abs(neurons.queries[layer, head]).max(), np.abs(keys).max()) or 1.0
    _draw_cells(top, query[None], limit)
    _write_labels(top, [neurons.query_tokens[token]])
    top.set_title(f"query, {neurons.names[layer]}, head {head}", **_title(neurons.names[layer]))
    axes = [figure.add_subplot(grid[1, n]) for n in range(4)]
    _draw_cells(axes[0], keys, limit)
    _write_labels(axes[0], neurons.key_tokens)
    _draw_cells(axes[1], products, np.abs(products).max() or 1.0)
    _draw_bars(axes[2], scores)
    _draw_bars(axes[3], weights)
    axes[3].set_xlim(0, 1)
    titles = "key", "query × key", f"sum / √{len(query)}", "softmax"
    for panel, title in zip(axes, titles, strict=True):
        panel.set_title(title, fontsize=FONT_SIZE)
    for panel in axes[1:]:
        panel.set_yticks([])
    return figure


def _title(name):
    _, families = choose_fonts(make_visible(name))
    return {"fontsize": FONT_SIZE, "fontfamily": families, "parse_math": False}


def _draw_cells(axes, matrix, limit):
    """Draw numbers as cells, orange for -limit, white for 0 and blue for +limit."""
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list("signed", [HEAD_COLORS[1], "white", HEAD_COLORS[0]])
    options = {"cmap": colors, "vmin": -limit, "vmax": limit, "interpolation": "nearest"}
    axes.imshow(matrix, aspect="auto", **options)
    axes.grid(False)
    axes.set_xticks([])


def _draw_bars(axes, values):
    axes.barh(np.arange(len(values)), values, color=HEAD_COLORS[0], height=0.7)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_frame_on(False)
    axes.tick_params(labelsize=FONT_SIZE - 2)
    axes.locator_params(axis="x", nbins=3)


def _write_labels(axes, tokens):
    labels = [choose_fonts(make_visible(token)) for token in tokens]
    texts = [text for text, _ in labels]
    axes.set_yticks(range(len(tokens)), texts, fontsize=FONT_SIZE, parse_math=False)
    axes.tick_params(length=0)
    for label, (_, families) in zip(axes.get_yticklabels(), labels, strict=True):
        label.set_fontfamily(families)
