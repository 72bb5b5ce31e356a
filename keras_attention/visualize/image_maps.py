"""Images, their attention maps and titles, parsed from the arguments of an overlay."""

import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_attention.visualize.arrays import (
    ROUNDING_TOLERANCE,
    check_count,
    get_rank,
    to_array,
    to_list,
    to_weights,
)
from keras_attention.visualize.image_queries import parse_queries, select_queries


class ImageMaps(NamedTuple):
    """An image and its attention maps.

    Attributes:
        image: (H, W) or (H, W, 3).
        maps: (steps, h, w).
        titles: A title or None for each step.
        places: For each step the place of the query (x, y), between 0 and 1, or None.
    """

    image: np.ndarray
    maps: np.ndarray
    titles: list
    places: list


def parse_image_maps(images: Any, weights: Any, titles: Any, queries: Any) -> list[ImageMaps]:
    """Return one `ImageMaps` per image; the arguments are those of `overlay`."""
    if _is_image_list(images):
        images, weights = list(images), to_list("weights", weights)
        titles = [None] * len(images) if titles is None else to_list("titles", titles)
        check_count("weights", weights, len(images), "images")
        check_count("titles", titles, len(images), "images")
    else:
        images, weights, titles = [images], [weights], [titles]
    images = [parse_image(image) for image in images]
    weights, places = [to_weights(matrix) for matrix in weights], [None] * len(images)
    if queries is not None:
        queries = parse_queries(queries)
        selected = [select_queries(matrix, queries) for matrix in weights]
        weights, places = zip(*selected, strict=True)
        names = [f"from {row}, {column}" for row, column in queries]
        titles = [names if words is None else words for words in titles]
    maps = [_parse_maps(matrix) for matrix in weights]
    titles = [_parse_titles(words, len(steps)) for words, steps in zip(titles, maps, strict=True)]
    places = [places_ or [None] * len(steps) for places_, steps in zip(places, maps, strict=True)]
    return [ImageMaps(*parts) for parts in zip(images, maps, titles, places, strict=True)]


def _is_image_list(images):
    """Return True for a list of images, False for one image as nested lists of numbers."""
    is_list = isinstance(images, (list, tuple)) and len(images) > 0
    return is_list and all(get_rank(image) in (2, 3) for image in images)


def parse_image(image):
    """Return (H, W) or (H, W, 3), float32 from 0 to 1."""
    numbers = to_array("images", image)
    shape = numbers.shape
    if 0 in shape or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))):
        raise ValueError(
            "Expected `images` to be one image of shape (H, W), (H, W, 1) or (H, W, 3), or a list "
            f"of such images. Received: an image of shape {shape}"
        )
    if np.asarray(ops.convert_to_numpy(image)).dtype.kind in "iu":
        numbers = numbers / 255
    if numbers.min() < -ROUNDING_TOLERANCE or numbers.max() > 1 + ROUNDING_TOLERANCE:
        raise ValueError(
            "Expected `images` to be integers from 0 to 255 or floats from 0 to 1. "
            f"Received: from {numbers.min():.4g} to {numbers.max():.4g}"
        )
    return numbers[..., 0] if shape[2:] == (1,) else numbers


def _parse_maps(maps):
    """Return (steps, h, w)."""
    shape = maps.shape
    if len(shape) == 2 and math.isqrt(shape[1]) ** 2 == shape[1]:
        side = math.isqrt(shape[1])
        maps = maps.reshape(-1, side, side)
    if maps.ndim != 3 or 0 in shape:
        raise ValueError(
            "Expected `weights` of shape (steps, h, w), or (steps, h * w) with h equal to w. "
            f"Received: weights.shape={shape}"
        )
    return maps


def _parse_titles(titles, count):
    """Return a list with a title or None for each of `count` steps."""
    if titles is None:
        return [None] * count
    titles = to_list("titles", titles)
    are_titles = all(title is None or isinstance(title, str) for title in titles)
    if len(titles) != count or not are_titles:
        raise ValueError(
            f"Expected `titles` to hold a string or None for each of the {count} steps. "
            f"Received: titles={titles!r}"
        )
    return titles
