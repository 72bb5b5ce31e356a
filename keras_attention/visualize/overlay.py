"""Attention over an image, a panel for each word, in the manner of Xu et al. (2015), figure 3."""

import math

import numpy as np
from keras import ops

from keras_attention import arguments
from keras_attention.visualize import samples
from keras_attention.visualize.characters import visible
from keras_attention.visualize.film_panel import to_array
from keras_attention.visualize.fonts import drawable
from keras_attention.visualize.save import picture_path, save

WIDTH, HEADING, SIZE = 1.2, 0.3, 10  # inches of a panel and above it; points
INTERPOLATIONS = {"smooth": "bicubic", "blocks": "nearest"}
COVER = 0.6  # how much of the colour of a weight covers the image, 0 to 1


def overlay(images, weights, titles=None, columns=None, upsampling="smooth", path=None):
    """Draws where in an image each step looked.

    First stands the image; then, from left to right, the image once more for each step, under the
    step's weights: dark where they are 0, bright where they are the step's largest. So a panel
    tells where, and not how much: its scale is its own. Several images stand below each other.

    Args:
        images: (H, W) or (H, W, 1), grey, or (H, W, 3), colours; whole numbers from 0 to 255 or
            floats in [0, 1], of any backend. Or a list of images, for several.
        weights: (steps, h, w), or (steps, h * w) of a square map, row by row; floats in [0, 1], of
            any backend. They need not sum to 1. For several images a list of these.
        titles: a string for each step, e.g. its word; None leaves a panel without. For several
            images a list of these lists. Default: none.
        columns: how many panels stand side by side before the next line begins, the image
            included. Default: all.
        upsampling: how a map becomes as large as the image: "smooth", or "blocks", which shows its
            locations.
        path: where to write the picture as well: `.png`, `.svg` or `.pdf`. Missing folders are
            made, and an older file is replaced only when the new one is complete.

    Returns:
        A `matplotlib.figure.Figure`, which belongs to nobody else: pyplot does not know it.

    Raises:
        ValueError: for images or weights of another rank, not finite or beyond their range; for
            lists that do not fit each other; for another suffix.

    Example:
        >>> from keras_attention.visualize import overlay
        >>> weights = np.eye(4)  # of a map of 2 x 2, one location after the other
        >>> figure = overlay(np.ones((8, 8)), weights, ["one", "two", "three", "four"])
        >>> [axes.get_title() for axes in figure.axes]
        ['', 'one', 'two', 'three', 'four']

    Unlike the paper's figure this one has colours, which can be told from a white or grey image,
    and weights are smoothed by cubic splines (there by pyramids of Gaussians).

    Reference: Xu et al., "Show, Attend and Tell: Neural Image Caption Generation with Visual
    Attention", 2015, section 5.4, https://arxiv.org/abs/1502.03044.
    """
    rows = read_rows(images, weights, titles)
    columns = arguments.positive_integer("columns", columns, optional=True)
    arguments.one_of("upsampling", upsampling, tuple(INTERPOLATIONS))
    path = path if path is None else picture_path(path)

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = columns or 1 + max(len(maps) for _, maps, _ in rows)
    lines = [math.ceil((1 + len(maps)) / columns) for _, maps, _ in rows]
    heights = [WIDTH * image.shape[0] / image.shape[1] for image, _, _ in rows]
    heights = np.repeat(heights, lines)
    figure = Figure(
        dpi=150, layout="constrained", figsize=(WIDTH * columns, sum(heights + HEADING))
    )
    FigureCanvasAgg(figure)
    places = figure.add_gridspec(sum(lines), columns, height_ratios=heights)
    for (image, maps, words), first in zip(rows, np.cumsum([0, *lines]), strict=False):
        for step, (each, word) in enumerate(zip([None, *maps], [None, *words], strict=True)):
            place = places[first + step // columns, step % columns]
            draw_panel(figure.add_subplot(place), image, each, word, upsampling)
    if path is not None:
        save(figure, path)
    return figure


def read_rows(images, weights, titles):
    """For each image: the image, its maps (steps, h, w), and a title or None for each step."""
    if is_several(images):
        images = list(images)
        weights = read_each("weights", weights, len(images))
        titles = (
            [None] * len(images) if titles is None else read_each("titles", titles, len(images))
        )
    else:
        images, weights, titles = [images], [weights], [titles]
    images, maps = [read_image(each) for each in images], [read_maps(each) for each in weights]
    titles = [read_titles(each, len(some)) for each, some in zip(titles, maps, strict=True)]
    return list(zip(images, maps, titles, strict=True))


def is_several(images):
    """Whether this is a list of images, and not one of lists of numbers."""
    is_list = isinstance(images, (list, tuple)) and len(images) > 0
    return is_list and all(samples.rank(image) in (2, 3) for image in images)


def read_each(name, value, count):
    """The items of `value`, one for each image."""
    items = samples.read_list(name, value)
    if len(items) != count:
        raise ValueError(
            f"Expected `{name}` to hold one item for each of the {count} images. "
            f"Received: {len(items)} items"
        )
    return items


def read_image(image):
    """(H, W) or (H, W, 3), float32 from 0 to 1."""
    numbers = to_array("images", image)
    shape = numbers.shape
    if 0 in shape or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
        raise ValueError(
            "Expected `images` to be one of shape (H, W), (H, W, 1) or (H, W, 3), or a list of "
            f"these. Received: an image of shape {shape}"
        )
    if np.asarray(ops.convert_to_numpy(image)).dtype.kind in "iu":
        numbers = numbers / 255
    if numbers.min() < -samples.ROUNDING or numbers.max() > 1 + samples.ROUNDING:
        raise ValueError(
            "Expected `images` of whole numbers from 0 to 255 or floats from 0 to 1. "
            f"Received: from {numbers.min():.4g} to {numbers.max():.4g}"
        )
    return numbers[..., 0] if shape[2:] == (1,) else numbers


def read_maps(weights):
    """(steps, h, w), float32 from 0 to 1."""
    maps = samples.to_array(weights)
    shape = maps.shape
    if len(shape) == 2 and math.isqrt(shape[1]) ** 2 == shape[1]:
        side = math.isqrt(shape[1])
        maps = maps.reshape(-1, side, side)
    if maps.ndim != 3 or 0 in shape:
        raise ValueError(
            "Expected `weights` of shape (steps, h, w), or (steps, h * w) where h is w. "
            f"Received: weights.shape={shape}"
        )
    return maps


def read_titles(titles, count):
    """A title, or None, for each of `count` steps."""
    if titles is None:
        return [None] * count
    titles = samples.read_list("titles", titles)
    are_titles = all(title is None or isinstance(title, str) for title in titles)
    if len(titles) != count or not are_titles:
        raise ValueError(
            f"Expected `titles` to hold a string for each of the {count} steps. "
            f"Received: titles={titles!r}"
        )
    return titles


def draw_panel(axes, image, weights, title, upsampling):
    """Fills the axes with the image, and with the weights over it if there are any."""
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
            alpha=COVER,
            extent=extent,
            interpolation=INTERPOLATIONS[upsampling],
        )
    if title:
        text, families = drawable(visible(title))
        axes.set_title(text, fontsize=SIZE, fontfamily=families, parse_math=False)
