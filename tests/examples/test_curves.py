"""Pictures of learning curves."""

import pytest

from examples import curves


def test_curves_and_the_papers_figures_are_drawn(tmp_path):
    runs = {"a": [{"loss": 3.0}, {"loss": 0.5}], "b": [{"loss": 1.0, "other": 2.0}]}
    path = tmp_path / "new" / "curve.png"
    curves.draw(
        runs,
        "loss",
        path,
        "thousands of sequences",
        "bits",
        2,
        True,
        {"paper": 0.1},
        {"a": {"linestyle": "--"}},
    )
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_a_figure_missing_from_a_curve_is_refused(tmp_path):
    with pytest.raises(KeyError, match="bits"):
        curves.draw({"a": [{"loss": 1.0}]}, "bits", tmp_path / "curve.png", "x", "y")
