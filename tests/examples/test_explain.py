"""The example of explanations runs at small sizes, and its measures are those of hand-made maps."""

import os

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples.explain import main  # noqa: E402
from examples.explained_digits import find_boxes, is_inside, place  # noqa: E402


def test_pointing_game_counts_maxima_inside_of_the_ink():
    digits = np.zeros((2, 28, 28, 1), "uint8")
    digits[:, 5:9, 6:12] = 200
    images, places = place(digits, np.random.default_rng(0))
    boxes = find_boxes(digits, places)
    for image, (top, bottom, left, right) in zip(images, boxes, strict=True):
        assert image.sum() == 4 * 6 * 200
        assert (image[top : bottom + 1, left : right + 1] == 200).all()
    maps = np.zeros((2, 60, 60))
    maps[0, boxes[0, 0], boxes[0, 3]] = 1
    maps[1, boxes[1, 1] + 1, boxes[1, 2]] = 1
    np.testing.assert_array_equal(is_inside(maps, boxes), [True, False])
    np.testing.assert_array_equal(is_inside(maps, boxes, margin=1), [True, True])


def run_quick(model, tmp_path):
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = main(model=model, quick=True, **folders)
    assert (tmp_path / "pictures" / f"explain_{model}_quick.png").stat().st_size > 10_000
    assert list((tmp_path / "saved_models").rglob("saved_model.pb"))
    return figures


@pytest.mark.slow  # the Jacobian of every output character
def test_dates_example_runs(tmp_path):
    figures = run_quick("dates", tmp_path)
    assert set(figures["correlation with attention"]) == {"gradient", "integrated"}
    curves = figures["probability of the output"]
    assert set(curves) == {"attention", "gradient", "integrated", "random"}
    # All curves begin with the unchanged text, and end with a text of unknown characters.
    ends = {(curve[0], curve[-1]) for curve in curves.values()}
    assert len(ends) == 1


@pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR is not set")
def test_digits_example_runs(tmp_path):
    figures = run_quick("digits", tmp_path)
    assert set(figures["largest saliency in the box"]) == {
        "gradient",
        "gradient_input",
        "integrated",
        "smooth",
    }
