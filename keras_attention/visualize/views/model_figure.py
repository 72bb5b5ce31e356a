"""The picture of a model view: a grid of matrices, one for each layer and head."""

import numpy as np

from keras_attention.visualize.characters import make_visible
from keras_attention.visualize.figures import make_figure
from keras_attention.visualize.fonts import choose_fonts

SIDE, BAR_WIDTH = 1.0, 0.12  # inches: the longer side of a matrix, the color bar
FONT_SIZE = 10  # points


def draw_model(layers):
    """Return a figure of all layers and heads of a `Layers`."""
    from matplotlib.colors import PowerNorm

    layer_count, head_count, rows, columns = layers.weights.shape
    gap = max(1, round(max(rows, columns) / 12))  # in cells
    height, width = rows + gap, columns + gap
    mosaic = np.full((layer_count * height - gap, head_count * width - gap), np.nan, "float32")
    for layer in range(layer_count):
        for head in range(head_count):
            y, x = layer * height, head * width
            mosaic[y : y + rows, x : x + columns] = layers.weights[layer, head]
    cell = SIDE / max(rows, columns)  # inches
    size = mosaic.shape[1] * cell, mosaic.shape[0] * cell
    figure = make_figure(layout="constrained", figsize=(size[0] + 2, size[1] + 0.8))
    axes = figure.add_subplot()
    image = axes.imshow(mosaic, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
    for layer in range(layer_count):
        for head in range(head_count):
            _draw_border(axes, head * width, layer * height, columns, rows)
    axes.set_frame_on(False)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.set_xticks([n * width + columns / 2 - 0.5 for n in range(head_count)])
    axes.set_xticklabels([f"head {n}" for n in range(head_count)], fontsize=FONT_SIZE)
    names = [choose_fonts(make_visible(name)) for name in layers.names]
    axes.set_yticks([n * height + rows / 2 - 0.5 for n in range(layer_count)])
    axes.set_yticklabels([text for text, _ in names], fontsize=FONT_SIZE, parse_math=False)
    for label, (_, families) in zip(axes.get_yticklabels(), names, strict=True):
        label.set_fontfamily(families)
    figure.colorbar(image, ax=axes, pad=0.02, shrink=min(1.0, 2 / size[1]), ticks=[0, 0.1, 0.5, 1])
    return figure


def _draw_border(axes, x, y, width, height):
    from matplotlib.patches import Rectangle

    corner = x - 0.5, y - 0.5
    border = Rectangle(corner, width, height, fill=False, linewidth=0.5, edgecolor="gray")
    axes.add_patch(border)
    border.set_clip_on(False)  # half of the outer lines is outside of the axes
