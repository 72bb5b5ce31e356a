"""Each side of a heatmap has as many labels as fit, independently of the other side."""

import numpy as np
import pytest

from keras_attention.visualize import heatmap

SOURCE, TARGET = ["der", "kleine", "Hund", "schläft", "."], ["the", "dog", "sleeps"]


def weights(rows=3, columns=5):
    return np.random.default_rng(0).dirichlet(np.ones(columns), rows)


def label_texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.mark.parametrize("rows, columns", [(3, 3), (13, 13), (31, 31), (60, 60), (2, 120), (99, 5)])
def test_labels_neither_overlap_nor_are_cut_off(rows, columns):
    words = [f"Wörtchen{n}" for n in range(120)]
    matrices = [weights(rows, columns)] * 3
    figure = heatmap(matrices, [words[:columns]] * 3, [words[:rows]] * 3, titles=["title"] * 3)
    figure.canvas.draw()
    for axes in figure.axes[:-1]:
        box = axes.get_tightbbox()
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert all(left.x1 <= right.x0 for left, right in zip(boxes, boxes[1:], strict=False))
        boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
        assert all(low.y1 <= high.y0 for high, low in zip(boxes, boxes[1:], strict=False))
        assert axes.get_yticklabels()[0].get_fontsize() >= 7
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


@pytest.mark.parametrize("rows, columns", [(2, 120), (120, 3), (2, 98), (98, 98)])
def test_many_tokens_on_one_side_remove_no_label_from_the_other(rows, columns):
    words = [f"word{n}" for n in range(120)]
    axes = heatmap(weights(rows, columns), words[:columns], words[:rows]).axes[0]
    for axis, count in ((axes.xaxis, columns), (axes.yaxis, rows)):
        assert label_texts(axis) == words[: count : 1 if count <= 98 else 2]


def test_large_matrix_removes_no_label_from_a_small_one():
    figure = heatmap([weights(), weights(120, 120)], [SOURCE, None], [TARGET, None])
    assert (label_texts(figure.axes[0].xaxis), label_texts(figure.axes[0].yaxis)) == (
        SOURCE,
        TARGET,
    )
