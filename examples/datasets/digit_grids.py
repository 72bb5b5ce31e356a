"""Generated images with captions: 3 x 3 grids of MNIST digits, with empty cells.

    images, digits = sample_grids(*load_mnist("train"), 1000, np.random.default_rng(0))
    captions = encode(digits)  # "seven two zero", the digits in reading order

An image has 84 x 84 pixels. A cell is empty with probability 1/2, but at least one cell is not. A
digit is at most `SHIFT` pixels off the center of its cell. Training, validation and test use
different images of digits; the test uses MNIST's test split.
"""

import numpy as np
import tensorflow_datasets as tfds

SIDE = 3  # cells
CELL, SHIFT = 28, 2  # side of a cell, and the maximum shift of a digit, in pixels
CELLS = SIDE * SIDE
EMPTY = -1  # the digit of an empty cell
PADDING, END, START = 0, 1, 2
WORDS = ("", "", "", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
STEPS = CELLS + 1  # length of the longest caption, end mark included
SPLITS = {"train": "train[:55000]", "validation": "train[55000:]", "test": "test"}


def load_mnist(split, data_dir=None):
    """Load images (n, 28, 28) uint8 and labels (n,) of `"train"`, `"validation"` or `"test"`."""
    if split not in SPLITS:
        raise ValueError(f"Expected `split` to be one of {tuple(SPLITS)}. Received: split={split}")
    data = tfds.load("mnist", split=SPLITS[split], batch_size=-1, data_dir=data_dir)
    data = tfds.as_numpy(data)
    return data["image"][..., 0], data["label"].astype("int32")


def sample_grids(images, labels, count, rng, empty=0.5):
    """Sample random grids of digits.

    Args:
        images: (n, 28, 28) uint8.
        labels: (n,), from 0 to 9.
        count: Number of grids.
        rng: A `numpy.random.Generator`.
        empty: Probability that a cell is empty. At least one cell of each grid is not.

    Returns:
        Images (count, 84, 84, 1) uint8, and the digits of their nine cells, row by row:
        (count, 9) int32, `EMPTY` for empty cells.
    """
    filled = rng.random((count, CELLS)) >= empty
    filled[np.arange(count), rng.integers(CELLS, size=count)] |= ~filled.any(axis=1)
    chosen = rng.integers(len(labels), size=(count, CELLS))
    wide = np.pad(images[chosen], [(0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)])
    windows = np.lib.stride_tricks.sliding_window_view(wide, (CELL, CELL), axis=(2, 3))
    grid, cell = np.ogrid[:count, :CELLS]
    down, right = rng.integers(2 * SHIFT + 1, size=(2, count, CELLS))
    cells = windows[grid, cell, down, right] * filled[..., None, None].astype("uint8")
    rows = cells.reshape(count, SIDE, SIDE, CELL, CELL).swapaxes(2, 3)
    grids = rows.reshape(count, SIDE * CELL, SIDE * CELL, 1)
    return grids, np.where(filled, labels[chosen], EMPTY).astype("int32")


def locate_words(digits):
    """Return the cell of each word of the captions: (count, 9), `EMPTY` after the last word."""
    empty = digits == EMPTY
    cells = np.argsort(empty, axis=1, kind="stable")
    return np.where(np.take_along_axis(empty, cells, axis=1), EMPTY, cells)


def encode(digits):
    """Return the captions' ids (count, `STEPS`): the words, the end mark, then padding."""
    cells = np.pad(locate_words(digits), [(0, 0), (0, 1)], constant_values=EMPTY)
    words = np.take_along_axis(digits, cells, axis=1) + WORDS.index("zero")
    ends = np.arange(STEPS) == (digits != EMPTY).sum(axis=1, keepdims=True)
    return np.where(cells != EMPTY, words, np.where(ends, END, PADDING)).astype("int32")


def shift_right(captions):
    """Return the decoder's inputs for captions: the start mark, then the words."""
    previous = np.pad(captions[:, :-1], [(0, 0), (1, 0)], constant_values=START)
    return np.where(previous == END, PADDING, previous)
