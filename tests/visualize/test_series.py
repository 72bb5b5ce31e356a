"""The picture of a time series has its lines, and its weights behind them."""

import numpy as np
import pytest

from keras_attention.visualize import series

SIGNAL = np.random.default_rng(0).normal(size=(12, 2))
WEIGHTS = np.array([[0.1, 0.2, 0.7], [0.5, 0.0, 0.5]])


def test_each_row_of_weights_is_behind_all_channels(tmp_path):
    figure = series(SIGNAL, WEIGHTS, ["$a_", "b"], ["one", "two"], tmp_path / "a" / "series.svg")
    for axes, row, title in zip(figure.axes[:2], WEIGHTS, ["one", "two"], strict=True):
        assert axes.get_title() == title
        for line, channel in zip(axes.lines, SIGNAL.T, strict=True):
            np.testing.assert_allclose(line.get_ydata(), channel, rtol=1e-6)
        [image] = axes.images
        np.testing.assert_allclose(image.get_array(), row[None], rtol=1e-6)
        # Each weight covers four steps, and step 0 is the center of a column of width 1.
        assert image.get_extent()[:2] == [-0.5, 11.5] and image.norm.vmax == np.float32(row.max())
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["$a_", "b"]
    assert (tmp_path / "a" / "series.svg").exists()


def test_one_channel_and_one_row_need_no_second_axis():
    figure = series(SIGNAL[:, 0], np.zeros(12), titles="flat")
    assert len(figure.axes) == 2  # with the color bar
    assert figure.axes[0].get_title() == "flat" and figure.axes[0].get_legend() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"signal": np.ones((2, 3, 4))}, r"`signal` of shape.*\(2, 3, 4\)"),
        ({"signal": np.full(12, np.nan)}, "`signal` to be finite"),
        ({"weights": np.ones(5) / 5}, r"n divides the 12 steps.*\(5,\)"),
        ({"weights": np.ones((1, 1, 3))}, r"\(1, 1, 3\)"),
        ({"weights": [-1.0, 0.0]}, "`weights` between 0 and 1"),
        ({"labels": ["a"]}, "`labels` to hold one item for each of the 2 channels"),
        ({"labels": [1, 2]}, "`labels` to hold strings"),
        ({"titles": "one"}, "`titles` to hold one item for each of the 2 rows"),
        ({"path": "a.html"}, "a.html"),
    ],
)
def test_invalid_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        series(**{"signal": SIGNAL, "weights": WEIGHTS, **options})
