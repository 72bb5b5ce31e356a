"""The glimpses example: its quick run, its images."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import glimpses
from examples.datasets import cluttered_digits
from keras_attention import export


def load(split, subset=""):
    """Return random digits and labels."""
    rng = np.random.default_rng(len(split))
    count = 200 if split == "train" else 100
    return rng.integers(256, size=(count, 28, 28, 1)).astype("uint8"), np.arange(count) % 10


def test_quick_run_reports_plots_and_exports(tmp_path, monkeypatch):
    monkeypatch.setattr(cluttered_digits, "load", load)
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    figures = glimpses.main(quick=True, task="cluttered", **folders)
    assert figures["images"] == 100 and len(figures["learning curve"]) == 2
    assert 0 <= figures["test error, mean over 5 first glimpses"] <= 1
    name = "glimpses_cluttered_quick"
    assert (tmp_path / "pictures" / f"{name}.png").stat().st_size > 10_000
    images = np.zeros((2, 60, 60, 1), "uint8")
    answer = export.run_in_c_loader(
        tmp_path / "saved_models" / name / "1", "classify", {"image": images}
    )
    assert answer["centers"].shape == (2, 2, 2) and not answer["centers"][:, 0].any()
    np.testing.assert_array_equal(answer["digit"], answer["probabilities"].argmax(-1))


@pytest.mark.parametrize("task", glimpses.TASKS)
def test_digits_are_placed_among_clutter(task):
    digits, _ = load("test")
    rng = np.random.default_rng(0)
    images = cluttered_digits.place(digits[:5], load("train")[0], task, rng)
    side = cluttered_digits.SIDES[task]
    assert images.shape == (5, side, side, 1) and images.dtype == np.uint8
    filled = (images > 0).sum(axis=(1, 2, 3))
    assert ((filled > 770) & (filled <= 784 + 4 * 64)).all()
    assert task != "cluttered" or filled.max() > 784
