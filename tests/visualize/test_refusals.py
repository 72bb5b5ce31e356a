"""Errors for invalid arguments of the heatmap, and for missing packages."""

import sys

import numpy as np
import pytest

from keras_attention.visualize import colored_text, graph, head_view, heatmap, overlay

VALID = np.full((3, 5), 0.2)


@pytest.mark.parametrize(
    "weights, message",
    [
        (0.5, r"weights.shape=\(\)"),
        (np.ones(0), "`weights` to be non-empty"),
        (np.full(3, np.nan), "3 values"),
        (np.ones((1, 1, 3, 5)), r"weights.shape=\(1, 1, 3, 5\)"),
        ([[0.1], [0.1, 0.2]], "weights="),
        ("weights", "weights="),
        (None, "weights=None"),
        ([["0.5"]], "weights="),
        (np.array([["0.5"]]), "weights="),
        (np.array([[b"0.5"]]), "weights="),
        (np.array([[0.5 + 1j]]), "weights="),
        ([[None]], "weights="),
        ([], "weights"),
        (np.ones((0, 5)), "`weights`"),
        (np.full((3, 5), np.nan), "15 values"),
        (np.full((3, 5), np.inf), "15 values"),
        (np.full((3, 5), 1.002), "1.002"),
        (np.full((3, 5), -0.002), "-0.002"),
    ],
)
def test_invalid_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        heatmap(weights)


def test_rounding_errors_outside_the_range_are_clipped():
    cells = heatmap([[1.0009, -0.0009]]).axes[0].images[0].get_array()
    np.testing.assert_array_equal(cells, [[1, 0]])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"source_tokens": list("abcdef")}, "`source_tokens`.* 1 to 5 .*6 tokens"),
        ({"target_tokens": list("abcd")}, "`target_tokens`.* 1 to 3 .*4 tokens"),
        ({"target_tokens": []}, "`target_tokens`.*0 tokens"),
        ({"source_tokens": [1, 2]}, "`source_tokens` to hold strings"),
        ({"source_tokens": [["a", "b"]]}, "`source_tokens` to hold strings"),
        ({"source_tokens": 5}, "source_tokens=5"),
        ({"titles": ["a", "b"]}, "titles="),
        ({"titles": 5}, "titles=5"),
        ({"titles": [5]}, "titles="),
        ({"columns": 0}, "columns=0"),
        ({"columns": 1.5}, "columns=1.5"),
        ({"columns": True}, "columns=True"),
        ({"path": "picture.jpg"}, "picture.jpg"),
        ({"path": "picture"}, "path="),
        ({"path": 5}, "path=5"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        heatmap(VALID, **arguments)


@pytest.mark.parametrize("name", ["source_tokens", "target_tokens", "titles"])
def test_lists_that_do_not_have_one_item_per_matrix_are_refused(name):
    with pytest.raises(ValueError, match=f"`{name}`.* 2 matrices"):
        heatmap([VALID, VALID], **{name: [["a"]]})
    with pytest.raises(ValueError, match=f"{name}"):
        heatmap([VALID, VALID], **{name: 7})


@pytest.mark.parametrize(
    "draw",
    [
        lambda: heatmap(VALID),
        lambda: overlay(np.ones((4, 4)), np.full((1, 4), 0.25)),
        lambda: colored_text([0.5, 0.5], ["a", "b"], path="words.png"),
        lambda: head_view(np.eye(2), ["a", "b"], path="view.svg"),
    ],
)
def test_missing_matplotlib_raises_an_error_with_the_install_command(draw, monkeypatch):
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"`matplotlib`.*keras-attention-layers\[visualize"):
        draw()


def test_missing_networkx_raises_an_error_with_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match=r"`networkx`.*keras-attention-layers\[visualize"):
        graph([[0, 1]], [1.0])
