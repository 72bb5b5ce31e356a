"""Attention over an image, one panel per word, in the style of Xu et al. (2015), figure 3."""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from keras_attention import arguments
from keras_attention.types import Tensor
from keras_attention.visualize.characters import make_visible
from keras_attention.visualize.figures import make_figure
from keras_attention.visualize.fonts import choose_fonts
from keras_attention.visualize.image_maps import parse_image_maps
from keras_attention.visualize.save import save_figure, to_picture_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL_WIDTH, TITLE_HEIGHT = 1.2, 0.3  # inches
FONT_SIZE = 10  # points
INTERPOLATIONS = {"smooth": "bicubic", "blocks": "nearest"}
MAP_OPACITY = 0.6


def overlay(
    images: Tensor | Sequence[Tensor],
    weights: Tensor | Sequence[Tensor],
    titles: Sequence | None = None,
    columns: int | None = None,
    upsampling: Literal["smooth", "blocks"] = "smooth",
    path: str | os.PathLike | None = None,
    queries: Sequence[tuple[int, int]] | None = None,
) -> "Figure":
    """Draw the locations of an image that each decoding step attends to.

    The first panel is the image alone. The following panels, from left to right, are one per step:
    the image under the step's weights, dark where they are 0 and bright where they are largest.
    Each panel is scaled by its own largest weight, so brightness cannot be compared between panels.
    Several images are drawn below each other.

    Args:
        images: (H, W) or (H, W, 1), gray, or (H, W, 3), RGB; integers from 0 to 255 or
            floats in [0, 1], of any backend. Or a list of images.
        weights: (steps, h, w), or (steps, h * w) of a square map in row-major order; floats in
            [0, 1], of any backend. They need not sum to 1. For several images, a list of such
            arrays.
        titles: List of a string for each step, such as its word, or None for a panel without a
            title. For several images, a list of such lists. Default: no titles.
        columns: The number of panels per line, the image included. Default: all in one line.
        upsampling: How a map is enlarged to the size of the image: "smooth" interpolates, "blocks"
            draws each location as a block of one color.
        path: The file to write: `.png`, `.svg` or `.pdf`. Missing directories are created, and an
            existing file is replaced atomically. Default: no file.
        queries: List of the (row, column) of locations to draw, of an image that attends to itself,
            as in `SelfAttention2D`: a panel for each, with a dot at the location. `weights` are
            then (rows, columns, h, w), or (rows * columns, h * w) of a square grid of locations.
            Default titles are the locations.

    Returns:
        A `matplotlib.figure.Figure`, which is not registered with pyplot.

    Raises:
        ValueError: If images or weights have the wrong rank, are not finite or are out of range; if
            the lengths of lists do not match; if the path has an unsupported suffix.

    Example:
        >>> from keras_attention.visualize import overlay
        >>> weights = np.eye(4)  # 2 x 2 maps, each with one location
        >>> figure = overlay(np.ones((8, 8)), weights, ["one", "two", "three", "four"])
        >>> [axes.get_title() for axes in figure.axes]
        ['', 'one', 'two', 'three', 'four']

    Differs from the paper's figure in its colors, which stand out from white and gray images, and
    in smoothing weights by cubic splines instead of Gaussian pyramids.

    Reference: Xu et al., "Show, Attend and Tell: Neural Image Caption Generation with Visual
    Attention", 2015, section 5.4, https://arxiv.org/abs/1502.03044.
    """
    rows = parse_image_maps(images, weights, titles, queries)
    columns = arguments.positive_integer("columns", columns, optional=True)
    arguments.one_of("upsampling", upsampling, tuple(INTERPOLATIONS))
    path = path if path is None else to_picture_path(path)

    columns = columns or 1 + max(len(row.maps) for row in rows)
    line_counts = [math.ceil((1 + len(row.maps)) / columns) for row in rows]
    heights = [PANEL_WIDTH * row.image.shape[0] / row.image.shape[1] for row in rows]
    heights = np.repeat(heights, line_counts)
    size = PANEL_WIDTH * columns, sum(heights + TITLE_HEIGHT)
    figure = make_figure(layout="constrained", figsize=size)
    grid = figure.add_gridspec(sum(line_counts), columns, height_ratios=heights)
    for row, first_line in zip(rows, np.cumsum([0, *line_counts]), strict=False):
        panels = zip([None, *row.maps], [None, *row.titles], [None, *row.places], strict=True)
        for n, (step_weights, title, place) in enumerate(panels):
            axes = figure.add_subplot(grid[first_line + n // columns, n % columns])
            draw_panel(axes, row.image, step_weights, title, upsampling)
            if place is not None:
                height, width = row.image.shape[:2]
                axes.plot(place[0] * width, place[1] * height, "o", color="red", markersize=4)
    if path is not None:
        save_figure(figure, path)
    return figure


def draw_panel(axes, image, weights, title, upsampling):
    """Draw the image on the axes, and the weights over it unless they are None."""
    height, width = image.shape[:2]
    extent = (0, width, height, 0)
    axes.set_axis_off()
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    if weights is not None:
        axes.imshow(
            weights,
            cmap="inferno",
            vmin=0,
            vmax=float(weights.max()) or 1.0,
            alpha=MAP_OPACITY,
            extent=extent,
            interpolation=INTERPOLATIONS[upsampling],
        )
    if title:
        text, families = choose_fonts(make_visible(title))
        axes.set_title(text, fontsize=FONT_SIZE, fontfamily=families, parse_math=False)
