"""Glimpses against crops by hand."""

import numpy as np
import pytest
from keras import ops

from keras_attention import read

IMAGE = np.arange(1, 26, dtype="uint8").reshape(1, 5, 5, 1)


def numpy(x):
    return ops.convert_to_numpy(x)


def crop(images, centers, size, scales=1):
    return numpy(read.glimpse(images, np.array(centers, "float32"), size, scales))


def test_the_center_and_two_corners():
    rows = crop(np.repeat(IMAGE, 3, 0), [[0, 0], [-1, -1], [1, 1]], 3)[:, 0, :, :, 0]
    np.testing.assert_array_equal(rows[0], [[7, 8, 9], [12, 13, 14], [17, 18, 19]])
    np.testing.assert_array_equal(rows[1], [[0, 0, 0], [0, 1, 2], [0, 6, 7]])
    np.testing.assert_array_equal(rows[2], [[19, 20, 0], [24, 25, 0], [0, 0, 0]])
    assert rows.dtype == np.uint8


def test_a_larger_scale_is_the_mean_of_blocks():
    both = crop(IMAGE, [[0, 0]], 2, scales=2)[0, ..., 0]
    padded = np.pad(IMAGE[0, :, :, 0].astype("float32"), 2)
    np.testing.assert_array_equal(both[0], padded[3:5, 3:5])
    wide = padded[2:6, 2:6]
    expected = [[wide[a : a + 2, b : b + 2].mean() for b in (0, 2)] for a in (0, 2)]
    np.testing.assert_array_equal(both[1], expected)


def test_each_image_is_cut_at_its_own_center():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 6, 9, 3)).astype("float32")
    centers = rng.uniform(-1.5, 1.5, size=(4, 2))
    rows = crop(images, centers, 4, scales=2)
    assert rows.shape == (4, 2, 4, 4, 3)
    for n in range(4):
        alone = crop(images[n : n + 1], centers[n : n + 1], 4, scales=2)
        np.testing.assert_array_equal(rows[n], alone[0])
        row, column = (np.clip(centers[n], -1, 1) + 1) / 2 * np.array([5, 8])
        padded = np.pad(images[n], ((4, 4), (4, 4), (0, 0)))
        top, left = round(row) + 2, round(column) + 2
        np.testing.assert_array_equal(rows[n, 0], padded[top : top + 4, left : left + 4])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGE[0], [[0, 0]], 3), r"`images` \(batch, H, W, C\)"),
        ((IMAGE, [0, 0], 3), r"`centers` \(batch, 2\)"),
        ((IMAGE, [[0, 0]], 0), "size=0"),
        ((IMAGE, [[0, 0]], 3, 0), "scales=0"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        crop(*arguments)
