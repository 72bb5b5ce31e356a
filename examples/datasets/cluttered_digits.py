"""MNIST digits at random places of a larger image, among pieces of other digits."""

import numpy as np

from examples.datasets.images import load_pixels

SIDES = {"mnist": 28, "translated": 60, "cluttered": 60}
PIECES, PIECE_SIDE = 4, 8  # of clutter in an image of 60 x 60 pixels


def load(split, subset=""):
    """Load digits (n, 28, 28, 1) uint8 and labels (n,), of `"train"` or `"test"`."""
    return load_pixels("mnist", split + subset)


def place(digits, pool, task, rng):
    """Place digits on images (n, side, side, 1) uint8.

    Args:
        digits: (n, 28, 28, 1) uint8.
        pool: Digits (m, 28, 28, 1) from which the clutter is cut; those of the training part, so
            that nothing of the test images is known in training.
        task: "mnist" (the digits themselves), "translated" (a random place of 60 x 60 pixels), or
            "cluttered" (the same among `PIECES` pieces of other digits).
        rng: A `numpy.random.Generator`.
    """
    if task == "mnist":
        return digits
    side = SIDES[task]
    images = np.zeros((len(digits), side, side, 1), "uint8")
    places = rng.integers(side - 28 + 1, size=(len(digits), 2))
    for image, digit, (row, column) in zip(images, digits, places, strict=True):
        if task == "cluttered":
            _add_clutter(image, pool, rng)
        square = image[row : row + 28, column : column + 28]
        np.maximum(square, digit, out=square)
    return images


def _add_clutter(image, pool, rng):
    side = len(image)
    for index in rng.integers(len(pool), size=PIECES):
        top, left = rng.integers(28 - PIECE_SIDE + 1, size=2)
        piece = pool[index, top : top + PIECE_SIDE, left : left + PIECE_SIDE]
        row, column = rng.integers(side - PIECE_SIDE + 1, size=2)
        square = image[row : row + PIECE_SIDE, column : column + PIECE_SIDE]
        np.maximum(square, piece, out=square)
