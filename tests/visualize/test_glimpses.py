"""Pictures of glimpses: the squares, their pixels, refusals."""

import keras
import numpy as np
import pytest

pytest.importorskip("matplotlib")
from keras_attention.visualize import glimpses

IMAGES = np.random.default_rng(0).integers(256, size=(2, 9, 9, 1)).astype("uint8")
CENTERS = np.array([[[0, 0], [-1, 1]], [[1, 1], [0, -1]]], "float32")


def test_squares_stand_at_the_centers_and_panels_show_their_pixels():
    figure = glimpses(IMAGES, CENTERS, 3, titles=["one", None])
    assert [axes.get_title() for axes in figure.axes] == ["one", "1", "2", "", "1", "2"]
    first = figure.axes[0]
    corners = [patch.get_xy() for patch in first.patches]
    np.testing.assert_array_equal(corners, [(2.5, 2.5), (6.5, -1.5)])
    pixels = figure.axes[1].images[0].get_array()
    np.testing.assert_allclose(pixels, IMAGES[0, 3:6, 3:6, 0] / 255, rtol=1e-6)


def test_scales_stand_side_by_side_and_colors_are_kept(tmp_path):
    images = np.random.default_rng(0).uniform(size=(2, 9, 9, 3))
    path = tmp_path / "glimpses.png"
    figure = glimpses(images, keras.ops.convert_to_tensor(CENTERS), 2, scales=2, path=path)
    assert figure.axes[1].images[0].get_array().shape == (2, 4, 3)
    assert path.stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGES, CENTERS[0], 3), r"`centers` \(images, glimpses, 2\)"),
        ((IMAGES, 2 * CENTERS, 3), r"in \[-1, 1\]"),
        ((IMAGES[:1], CENTERS, 3), "centers"),
        ((IMAGES, CENTERS, 0), "size=0"),
        ((IMAGES, CENTERS, 3, 1, ["one"]), "titles"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        glimpses(*arguments)
