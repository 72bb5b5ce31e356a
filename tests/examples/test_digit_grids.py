"""Grids of digits, whose captions are the digits in reading order."""

import os
from pathlib import Path

import numpy as np
import pytest

from examples.datasets import digit_grids
from examples.datasets.digit_grids import (
    EMPTY,
    END,
    PADDING,
    START,
    WORDS,
    encode,
    locate_words,
    sample_grids,
    shift_right,
)

PREPARED = os.environ.get("TFDS_DATA_DIR")
prepared = pytest.mark.skipif(
    not (PREPARED and Path(PREPARED, "mnist", "3.0.1").is_dir()),
    reason="TFDS_DATA_DIR does not name a directory with mnist/3.0.1",
)
# Digit n is a block of gray level 20 n + 30, so that a picture shows where each digit is.
LABELS = np.arange(10, dtype="int32").repeat(2)
IMAGES = np.zeros((20, 28, 28), "uint8")
IMAGES[:, 5:23, 7:21] = (20 * LABELS + 30)[:, None, None]


def draw(count=211, seed=0, **options):
    return sample_grids(IMAGES, LABELS, count, np.random.default_rng(seed), **options)


def test_each_cell_shows_its_digit_and_an_empty_cell_nothing():
    images, digits = draw()
    assert images.shape == (211, 84, 84, 1)
    assert images.dtype == "uint8"
    for image, grid in zip(images[..., 0], digits, strict=True):
        for cell, digit in enumerate(grid):
            row, column = divmod(cell, 3)
            shown = image[28 * row : 28 * row + 28, 28 * column : 28 * column + 28]
            expected = {0} if digit == EMPTY else {0, 20 * digit + 30}
            assert set(np.unique(shown)) == expected
            assert np.count_nonzero(shown) == (digit != EMPTY) * 18 * 14


def test_digits_are_at_most_two_pixels_off_the_center():
    images, digits = draw()
    offsets = set()
    for image in images[digits[:, 0] != EMPTY, :28, :28, 0]:
        rows, columns = np.nonzero(image)
        offsets.add((rows.min() - 5, columns.min() - 7))
    assert offsets == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_half_of_the_cells_are_empty_and_digits_are_equally_frequent():
    _, digits = draw(5003)
    assert (digits == EMPTY).mean() == pytest.approx(0.5, abs=0.01)
    assert (digits != EMPTY).any(axis=1).all()
    counts = np.bincount(digits[digits != EMPTY], minlength=10)
    assert counts.min() > 0.9 * counts.mean()


def test_a_random_cell_is_filled_if_all_would_be_empty():
    _, digits = draw(empty=1.0)
    assert ((digits != EMPTY).sum(axis=1) == 1).all()
    assert (digits != EMPTY).any(axis=0).all()


def test_a_caption_has_the_digits_row_by_row():
    _, digits = draw()
    cells, captions = locate_words(digits), encode(digits)
    for grid, order, caption in zip(digits, cells, captions, strict=True):
        filled_cells = [cell for cell in range(9) if grid[cell] != EMPTY]
        assert order.tolist() == filled_cells + [EMPTY] * (9 - len(filled_cells))
        words = [WORDS.index(WORDS[3 + grid[cell]]) for cell in filled_cells]
        assert caption.tolist() == words + [END] + [PADDING] * (9 - len(filled_cells))


def test_words_are_the_names_of_the_digits():
    [caption] = encode(np.array([[-1, 7, -1, -1, 0, 9, -1, -1, 1]]))
    assert [WORDS[word] for word in caption] == ["seven", "zero", "nine", "one"] + [""] * 6


def test_the_decoder_inputs_have_the_start_and_all_words_but_no_end():
    captions = encode(np.array([[-1, 7, -1, -1, 0, -1, -1, -1, -1], [5] * 9]))
    assert shift_right(captions).tolist() == [
        [START, 10, 3, *[PADDING] * 7],
        [START, *[8] * 9],
    ]


def test_only_equal_seeds_draw_equal_grids():
    for first, second, other in zip(draw(), draw(), draw(seed=1), strict=True):
        np.testing.assert_array_equal(first, second)
        assert (first != other).any()


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="'validation', 'test'.*split=valid"):
        digit_grids.load_mnist("valid")


@prepared
def test_the_splits_have_different_digits():
    parts = {split: digit_grids.load_mnist(split, PREPARED) for split in digit_grids.SPLITS}
    assert [len(labels) for _, labels in parts.values()] == [55_000, 5_000, 10_000]
    assert all(images.shape[1:] == (28, 28) for images, _ in parts.values())
    train, *other_splits = ({image.tobytes() for image in images} for images, _ in parts.values())
    assert not any(train & split for split in other_splits)
