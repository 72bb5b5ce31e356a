"""Grids of digits: each caption is what one reads in the picture."""

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
    draw_grids,
    encode,
    reading_order,
    shifted,
)

PREPARED = os.environ.get("TFDS_DATA_DIR")
prepared = pytest.mark.skipif(
    not (PREPARED and Path(PREPARED, "mnist", "3.0.1").is_dir()),
    reason="TFDS_DATA_DIR does not name a directory with mnist/3.0.1",
)
# Digit n is a block of the grey 20 n + 30, so that a picture tells what stands where.
LABELS = np.arange(10, dtype="int32").repeat(2)
IMAGES = np.zeros((20, 28, 28), "uint8")
IMAGES[:, 5:23, 7:21] = (20 * LABELS + 30)[:, None, None]


def drawn(count=211, seed=0, **options):
    return draw_grids(IMAGES, LABELS, count, np.random.default_rng(seed), **options)


def test_each_cell_shows_its_digit_whole_and_an_empty_cell_nothing():
    images, digits = drawn()
    assert images.shape == (211, 84, 84, 1)
    assert images.dtype == "uint8"
    for image, nine in zip(images[..., 0], digits, strict=True):
        for cell, digit in enumerate(nine):
            row, column = divmod(cell, 3)
            shown = image[28 * row : 28 * row + 28, 28 * column : 28 * column + 28]
            expected = {0} if digit == EMPTY else {0, 20 * digit + 30}
            assert set(np.unique(shown)) == expected
            assert np.count_nonzero(shown) == (digit != EMPTY) * 18 * 14


def test_digits_stand_up_to_two_pixels_off_the_middle_in_every_direction():
    images, digits = drawn()
    seen = set()
    for image in images[digits[:, 0] != EMPTY, :28, :28, 0]:
        rows, columns = np.nonzero(image)
        seen.add((rows.min() - 5, columns.min() - 7))
    assert seen == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_half_of_the_cells_are_empty_but_never_all_and_all_digits_are_as_frequent():
    _, digits = drawn(5003)
    assert (digits == EMPTY).mean() == pytest.approx(0.5, abs=0.01)
    assert (digits != EMPTY).any(axis=1).all()
    counts = np.bincount(digits[digits != EMPTY], minlength=10)
    assert counts.min() > 0.9 * counts.mean()


def test_where_all_cells_would_be_empty_one_is_not_and_it_may_be_any():
    _, digits = drawn(empty=1.0)
    assert ((digits != EMPTY).sum(axis=1) == 1).all()
    assert (digits != EMPTY).any(axis=0).all()


def test_a_caption_is_read_row_by_row_and_left_to_right():
    _, digits = drawn()
    cells, captions = reading_order(digits), encode(digits)
    for nine, order, caption in zip(digits, cells, captions, strict=True):
        full = [cell for cell in range(9) if nine[cell] != EMPTY]
        assert order.tolist() == full + [EMPTY] * (9 - len(full))
        words = [WORDS.index(WORDS[3 + nine[cell]]) for cell in full]
        assert caption.tolist() == words + [END] + [PADDING] * (9 - len(full))


def test_words_say_what_the_digits_are():
    [caption] = encode(np.array([[-1, 7, -1, -1, 0, 9, -1, -1, 1]]))
    assert [WORDS[word] for word in caption] == ["seven", "zero", "nine", "one"] + [""] * 6


def test_the_decoder_is_given_the_start_and_every_word_but_no_end():
    captions = encode(np.array([[-1, 7, -1, -1, 0, -1, -1, -1, -1], [5] * 9]))
    assert shifted(captions).tolist() == [
        [START, 10, 3, *[PADDING] * 7],
        [START, *[8] * 9],
    ]


def test_the_same_seed_draws_the_same_grids_and_another_one_others():
    for one, same, other in zip(drawn(), drawn(), drawn(seed=1), strict=True):
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="'validation', 'test'.*split=valid"):
        digit_grids.mnist("valid")


@prepared
def test_the_splits_are_of_different_digits():
    parts = {split: digit_grids.mnist(split, PREPARED) for split in digit_grids.SPLITS}
    assert [len(labels) for _, labels in parts.values()] == [55_000, 5_000, 10_000]
    assert all(images.shape[1:] == (28, 28) for images, _ in parts.values())
    train, *others = ({image.tobytes() for image in images} for images, _ in parts.values())
    assert not any(train & other for other in others)
