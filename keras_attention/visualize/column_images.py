"""Images above a matrix that share its columns, such as spectrograms, and marks between columns."""

from typing import Any

import numpy as np

from keras_attention.visualize.arrays import check_count, to_array, to_list

IMAGE_HEIGHT, GAP = 1.2, 0.12  # inches
MARK_LENGTH = 5  # points


def parse_images(above: Any, shapes: list[tuple], is_single: bool) -> list[np.ndarray | None]:
    """Return an image or None for each matrix.

    Args:
        above: The argument of `heatmap`.
        shapes: Shapes (Tq, Tk) of the matrices, padding included.
        is_single: Whether `above` is the image of a single matrix.
    """
    images = _to_items("above", above, len(shapes), is_single)
    return [
        None if image is None else _to_image(image, columns)
        for image, (_, columns) in zip(images, shapes, strict=True)
    ]


def parse_marks(marks: Any, shapes: list[tuple], is_single: bool) -> list[np.ndarray]:
    """Return the marks of each matrix as an array (n,); the arguments are as in `parse_images`."""
    items = _to_items("marks", marks, len(shapes), is_single)
    return [
        _to_marks([] if item is None else item, columns)
        for item, (_, columns) in zip(items, shapes, strict=True)
    ]


def draw_above(axes, image, height):
    """Draw an image on inset axes above a matrix, and return them.

    Args:
        axes: The axes of the matrix. If they are moved, the inset axes move too.
        image: Array (rows, n).
        height: Height of the matrix in inches.
    """
    inset = axes.inset_axes((0, 1 + GAP / height, 1, IMAGE_HEIGHT / height))
    inset.imshow(image, cmap="magma", aspect="auto", interpolation="nearest")
    inset.grid(False)
    inset.set_xticks([])
    inset.set_yticks([])
    return inset


def draw_marks(axes, marks, above):
    """Draw ticks below the matrix, and above it too if an image is there."""
    axes.xaxis.remove_overlapping_locs = False  # a mark may be at the label of a column
    # The center of column 0 is at 0, its left edge at -0.5.
    axes.set_xticks(marks - 0.5, minor=True)
    axes.tick_params(axis="x", which="minor", length=MARK_LENGTH, bottom=True, top=above)


def _to_items(name, value, count, is_single):
    """Return a list with the argument's item, or None, for each matrix."""
    if value is None:
        return [None] * count
    items = [value] if is_single else to_list(name, value)
    check_count(name, items, count, "matrices")
    return items


def _to_image(image, columns):
    image = to_array("above", image)
    if image.ndim != 2 or 0 in image.shape or image.shape[1] % columns:
        raise ValueError(
            f"Expected `above` to hold an image (rows, n x {columns}), n columns for each of the "
            f"matrix's {columns}. Received: an image of shape {image.shape}"
        )
    return image


def _to_marks(marks, columns):
    marks = to_array("marks", marks)
    if marks.ndim != 1 or not ((marks >= 0) & (marks <= columns)).all():
        raise ValueError(
            f"Expected `marks` to hold numbers from 0, the left edge of the matrix, to {columns}, "
            f"its right edge. Received: marks={marks.tolist()}"
        )
    return marks
