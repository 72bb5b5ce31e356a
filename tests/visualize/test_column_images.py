"""The heatmap draws an image above a matrix with the same columns, and marks between columns."""

import numpy as np
import pytest

from keras_attention.visualize import heatmap

WEIGHTS = np.eye(3, 5, dtype="float32")
IMAGE = np.random.default_rng(0).normal(size=(4, 10))


def measure_box(figure, axes):
    return axes.get_window_extent(figure.canvas.get_renderer())


def test_the_image_has_the_left_and_right_edge_of_the_matrix_and_is_above_it():
    figure = heatmap([WEIGHTS, WEIGHTS], above=[IMAGE, None], titles=["one", None], columns=2)
    figure.canvas.draw()  # which moves the axes of the image
    axes, other, _ = figure.axes
    (inset,) = axes.child_axes
    assert not other.child_axes
    np.testing.assert_allclose(inset.images[0].get_array(), IMAGE, rtol=1e-6)
    image, matrix = (measure_box(figure, x) for x in (inset, axes))
    np.testing.assert_allclose((image.x0, image.x1), (matrix.x0, matrix.x1))
    assert image.y0 > matrix.y1
    assert (inset.get_title(), axes.get_title()) == ("one", "")
    bounds = axes.get_tightbbox(figure.canvas.get_renderer())
    assert bounds.y1 <= figure.bbox.y1


def test_labels_of_the_columns_are_below_a_matrix_with_an_image():
    figure = heatmap([WEIGHTS, WEIGHTS], ["abcde"] * 2, above=[IMAGE, None])
    for axes, is_below in zip(figure.axes, (True, False), strict=False):
        shown = [tick.label1.get_visible() for tick in axes.xaxis.get_major_ticks()]
        assert shown == [is_below] * 5


def test_marks_are_ticks_at_the_edges_of_columns():
    axes = heatmap(WEIGHTS, marks=[0, 2.5, 5]).axes[0]
    np.testing.assert_array_equal(axes.get_xticks(minor=True), [-0.5, 2.0, 4.5])
    assert axes.get_xlim() == (-0.5, 4.5)
    assert len(heatmap(WEIGHTS).axes[0].get_xticks(minor=True)) == 0
    several = heatmap([WEIGHTS] * 2, marks=[None, [1]]).axes
    assert [len(x.get_xticks(minor=True)) for x in several[:2]] == [0, 1]


def test_image_and_marks_end_where_the_tokens_end():
    axes = heatmap(WEIGHTS, "abc", above=IMAGE, marks=[1, 3, 4]).axes[0]
    np.testing.assert_allclose(axes.child_axes[0].images[0].get_array(), IMAGE[:, :6], rtol=1e-6)
    np.testing.assert_array_equal(axes.get_xticks(minor=True), [0.5, 2.5])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"above": np.zeros((4, 9))}, "n x 5"),
        ({"above": np.zeros(10)}, "n x 5"),
        ({"above": np.full((4, 10), np.nan)}, "`above` to be finite"),
        ({"marks": [-0.1]}, "from 0"),
        ({"marks": [5.1]}, "to 5"),
        ({"marks": 3}, "`marks`"),
    ],
)
def test_an_image_or_a_mark_that_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        heatmap(WEIGHTS, **options)


def test_several_matrices_need_as_many_images():
    with pytest.raises(ValueError, match="each of the 2 matrices"):
        heatmap([WEIGHTS] * 2, above=[IMAGE])
