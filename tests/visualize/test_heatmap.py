"""The heatmap draws every weight in its cell, with the tokens as labels."""

import os
import subprocess
import sys

import keras
import matplotlib
import numpy as np
import pytest
from keras import ops
from matplotlib import pyplot

from keras_attention.visualize import heatmap

SOURCE = ["der", "kleine", "Hund", "schläft", "."]
TARGET = ["the", "dog", "sleeps"]


def weights(rows=3, columns=5, seed=0):
    scores = np.random.default_rng(seed).exponential(size=(rows, columns))
    return (scores / scores.sum(1, keepdims=True)).astype("float32")


def label_texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_rows_are_target_tokens_and_columns_are_source_tokens():
    axes = heatmap(weights(), SOURCE, TARGET, titles="one").axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), weights())
    assert axes.images[0].get_clim() == (0, 1)
    assert axes.images[0].get_cmap().name == "gray"
    assert (label_texts(axes.xaxis), label_texts(axes.yaxis)) == (SOURCE, TARGET)
    assert axes.get_title() == "one"
    assert axes.get_ylim() == (2.5, -0.5)


def test_source_labels_longer_than_one_character_are_rotated():
    axes = heatmap(weights(), ["der", ".", "e\u0301", " ", "日"], TARGET).axes[0]
    rotations = {label.get_text(): label.get_rotation() for label in axes.get_xticklabels()}
    assert rotations["der"] == 90
    assert rotations["."] == rotations["e\u0301"] == rotations["\u2423"] == 0


def test_rows_and_columns_beyond_the_tokens_are_not_drawn():
    axes = heatmap(weights(), SOURCE[:4], TARGET[:2]).axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), weights()[:2, :4])


def test_backend_tensor_of_any_float_dtype_is_accepted():
    tensor = ops.cast(ops.convert_to_tensor(weights()), "bfloat16")
    cells = heatmap(tensor).axes[0].images[0].get_array()
    np.testing.assert_allclose(cells, weights(), atol=4e-3)


@pytest.mark.parametrize("columns, shape", [(None, (2, 3)), (1, (5, 1)), (2, (3, 2)), (9, (1, 5))])
def test_matrices_of_different_sizes_form_a_grid(columns, shape):
    matrices = [weights(rows, 5) for rows in (3, 2, 7, 5, 3)]
    figure = heatmap(matrices, [SOURCE] * 5, columns=columns)
    boxes = [axes.get_position() for axes in figure.axes[:-1]]
    assert len({round(box.x0, 6) for box in boxes}) == shape[1]
    assert len({round(box.y1, 6) for box in boxes}) == shape[0]
    assert len(figure.axes) == 6


def test_columns_can_be_a_numpy_integer():
    figure = heatmap([weights()] * 3, columns=np.int64(1))
    assert len({round(axes.get_position().x0, 6) for axes in figure.axes[:-1]}) == 1


def test_cells_without_tokens_are_numbered_as_space_allows():
    assert label_texts(heatmap(weights(7, 7)).axes[0].xaxis) == [str(n) for n in range(7)]
    assert label_texts(heatmap(weights(7, 200)).axes[0].xaxis) == [
        str(n) for n in range(0, 200, 10)
    ]


def test_dollar_signs_are_not_parsed_as_math():
    figure = heatmap(weights(), ["$x", "$\\frac$", "_", "%", "^"], TARGET, titles="$ $$ $")
    assert label_texts(figure.axes[0].xaxis)[1] == "$\\frac$"
    figure.canvas.draw()


@pytest.mark.parametrize(
    "suffix, start", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")]
)
def test_picture_is_written_atomically_into_new_directories(tmp_path, suffix, start):
    path = tmp_path / "a" / "b" / f"picture.{suffix}"
    for _ in range(2):
        heatmap(weights(), SOURCE, TARGET, path=str(path))
    assert path.read_bytes().startswith(start)
    assert os.listdir(path.parent) == [path.name]


def test_failed_write_keeps_the_old_picture_and_leaves_no_temporary_file(tmp_path, monkeypatch):
    (tmp_path / "picture.png").write_bytes(b"old")

    def fail(self, file, **options):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        heatmap(weights(), path=tmp_path / "picture.png")
    assert os.listdir(tmp_path) == ["picture.png"]
    assert (tmp_path / "picture.png").read_bytes() == b"old"


def test_global_state_of_matplotlib_is_unchanged():
    before, figures = dict(matplotlib.rcParams), pyplot.get_fignums()
    heatmap(weights(), SOURCE, TARGET)
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == figures


def test_text_heatmap_does_not_need_matplotlib():
    code = (
        "import sys; sys.modules['matplotlib'] = None;"
        "from keras_attention.visualize import text_heatmap; text_heatmap([[1.0]], 'a', 'b')"
    )
    environment = os.environ | {"KERAS_BACKEND": keras.backend.backend()}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_vector_is_a_row_without_a_label():
    figure = heatmap([0.25, 0.75, 0.0], ["a", "b"])
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), [[0.25, 0.75]])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["a", "b"]
    assert not figure.axes[0].get_yticklabels()
    [label] = heatmap([0.25, 0.75], target_tokens=["class"]).axes[0].get_yticklabels()
    assert label.get_text() == "class"
