"""The path of glimpses over an image, and what each of them shows (Mnih et al. 2014, figure 3)."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_attention import arguments
from keras_attention.types import Tensor
from keras_attention.visualize.arrays import check_count, to_array, to_list
from keras_attention.visualize.characters import make_visible
from keras_attention.visualize.figures import make_figure
from keras_attention.visualize.fonts import choose_fonts
from keras_attention.visualize.image_maps import parse_image
from keras_attention.visualize.save import save_figure, to_picture_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL_WIDTH, TITLE_HEIGHT = 1.2, 0.3  # inches
FONT_SIZE = 10  # points
PATH_COLOR = "tab:orange"


def glimpses(
    images: Sequence[Tensor],
    centers: Tensor,
    size: int,
    scales: int = 1,
    titles: Sequence | None = None,
    path: str | os.PathLike | None = None,
) -> "Figure":
    """Draw the squares that a network looked at, in their order, beside their pixels.

    There is one line per image: the image with the path of the centers, on which each glimpse is a
    numbered square of its finest scale; then each glimpse, at all of its scales from left to right.

    Args:
        images: List of images (H, W), (H, W, 1) or (H, W, 3), or an array of them; integers from
            0 to 255 or floats in [0, 1], of any backend.
        centers: (images, glimpses, 2), row and column in [-1, 1], as `RecurrentGlimpses` returns
            them.
        size: Side of a glimpse in pixels, at its finest scale.
        scales: Number of scales.
        titles: List with a string or None for each image.
        path: The file to write: `.png`, `.svg` or `.pdf`. Missing directories are created, and an
            existing file is replaced atomically. Default: no file.

    Returns:
        A `matplotlib.figure.Figure`, which is not registered with pyplot.

    Raises:
        ValueError: If an argument is not as described, or the lengths of lists do not match.

    Example:
        >>> from keras_attention.visualize import glimpses
        >>> images, centers = np.zeros((2, 28, 28)), np.zeros((2, 6, 2))
        >>> figure = glimpses(images, centers, size=8, titles=["a one", "a two"])
        >>> len(figure.axes)
        14

    Reference: Mnih et al., "Recurrent Models of Visual Attention", 2014, figure 3,
    https://arxiv.org/abs/1406.6247.
    """
    arguments.positive_integer("size", size)
    arguments.positive_integer("scales", scales)
    images = [parse_image(image) for image in to_list("images", images)]
    centers = to_array("centers", centers)
    if centers.ndim != 3 or centers.shape[2] != 2 or not np.all(np.abs(centers) <= 1.001):
        raise ValueError(
            "Expected `centers` (images, glimpses, 2) in [-1, 1]. "
            f"Received: centers of shape {centers.shape}"
        )
    check_count("centers", centers, len(images), "images")
    titles = [None] * len(images) if titles is None else to_list("titles", titles)
    check_count("titles", titles, len(images), "images")
    path = path if path is None else to_picture_path(path)

    heights = [PANEL_WIDTH * image.shape[0] / image.shape[1] + TITLE_HEIGHT for image in images]
    count = centers.shape[1]
    width = PANEL_WIDTH * (1 + count * scales)
    figure = make_figure(layout="constrained", figsize=(width, sum(heights)))
    ratios = [1.0, *[float(scales)] * count]
    grid = figure.add_gridspec(len(images), 1 + count, height_ratios=heights, width_ratios=ratios)
    for line, (image, path_centers, title) in enumerate(zip(images, centers, titles, strict=True)):
        _draw_path(figure.add_subplot(grid[line, 0]), image, path_centers, size, title)
        for n, squares in enumerate(_crop(image, path_centers, size, scales)):
            axes = figure.add_subplot(grid[line, 1 + n])
            axes.set_axis_off()
            axes.imshow(np.concatenate(list(squares), axis=1), cmap="gray", vmin=0, vmax=1)
            axes.set_title(str(n + 1), fontsize=FONT_SIZE)
    if path is not None:
        save_figure(figure, path)
    return figure


def _crop(image, centers, size, scales):
    """Return the glimpses (glimpses, scales, size, size) or (..., 3) of one image."""
    from keras import ops

    from keras_attention.read import glimpse

    pixels = image.reshape(*image.shape[:2], -1)
    copies = np.repeat(pixels[None], len(centers), axis=0)
    squares = ops.convert_to_numpy(glimpse(copies, centers, size, scales))
    return squares[..., 0] if image.ndim == 2 else squares


def _draw_path(axes, image, centers, size, title):
    """Draw the image, the path of the centers and a numbered square for each."""
    from matplotlib.patches import Rectangle

    axes.set_axis_off()
    axes.imshow(image, cmap="gray", vmin=0, vmax=1)
    axes.autoscale(False)
    pixels = np.round((centers + 1) / 2 * (np.array(image.shape[:2]) - 1))
    axes.plot(pixels[:, 1], pixels[:, 0], color=PATH_COLOR, linewidth=1)
    for n, (row, column) in enumerate(pixels):
        corner = column - size // 2 - 0.5, row - size // 2 - 0.5
        axes.add_patch(Rectangle(corner, size, size, fill=False, color=PATH_COLOR, linewidth=0.8))
        axes.text(column, row, str(n + 1), color=PATH_COLOR, fontsize=8, ha="center", va="center")
    if title:
        text, families = choose_fonts(make_visible(title))
        axes.set_title(text, fontsize=FONT_SIZE, fontfamily=families, parse_math=False)
