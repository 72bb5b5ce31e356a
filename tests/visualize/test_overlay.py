"""The overlay draws each step's weights at their locations in the image."""

import os

import numpy as np
import pytest
from keras import ops
from matplotlib import pyplot

from keras_attention.visualize import overlay

STEPS, H, W = 5, 3, 7
WORDS = ["a", "bird", "flies", "over", "water"]


def maps(steps=STEPS, seed=0):
    weights = np.random.default_rng(seed).dirichlet(np.ones(H * W), steps)
    return weights.reshape(steps, H, W).astype("float32")


def image(*channels, seed=1):
    return np.random.default_rng(seed).random((13, 31, *channels)).astype("float32")


def render_axes(figure, axes):
    """Return the rendered pixels of the axes, (height, width, 3)."""
    figure.canvas.draw()
    box = axes.get_window_extent()
    canvas = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    top, bottom = (int(round(canvas.shape[0] - y)) for y in (box.y1, box.y0))
    return canvas[top + 1 : bottom - 1, int(box.x0) + 2 : int(box.x1) - 1].astype("float32")


def test_first_panel_is_the_image_followed_by_one_panel_per_step():
    figure = overlay(image(), maps(), WORDS)
    first, *steps = figure.axes
    assert (len(first.images), first.get_title()) == (1, "")
    assert [axes.get_title() for axes in steps] == WORDS
    for axes, weights in zip(steps, maps(), strict=True):
        below, above = axes.images
        np.testing.assert_array_equal(below.get_array(), image())
        np.testing.assert_array_equal(above.get_array(), weights)
        assert above.get_clim() == (0, weights.max())
        assert below.get_clim() == (0, 1)
        assert below.get_extent() == above.get_extent()


def test_attended_location_is_bright_at_its_place_in_the_image():
    weights = np.zeros((2, H, W))
    weights[0, 0, 1] = weights[1, 2, 6] = 0.3
    figure = overlay(np.zeros((9, 21)), weights, upsampling="blocks")
    for axes, (row, column) in zip(figure.axes[1:], [(0, 1), (2, 6)], strict=True):
        brightness = render_axes(figure, axes).mean(axis=-1)
        bright = np.argwhere(brightness > brightness.max() / 2) / brightness.shape
        np.testing.assert_allclose(
            bright.mean(axis=0), [(row + 0.5) / H, (column + 0.5) / W], atol=0.05
        )
        assert len(bright) / brightness.size == pytest.approx(1 / (H * W), rel=0.3)


def test_smooth_upsampling_has_many_tones_and_blocks_have_few():
    weights = np.zeros((1, 5, 5))
    weights[0, 2, 2] = 1
    tones = {}
    for upsampling in ("smooth", "blocks"):
        figure = overlay(np.zeros((10, 10)), weights, upsampling=upsampling)
        tones[upsampling] = len(
            np.unique(render_axes(figure, figure.axes[1]).reshape(-1, 3), axis=0)
        )
    assert tones["blocks"] <= 9 < 30 < tones["smooth"]


def test_flat_weights_become_a_square_map_in_row_major_order():
    flat = np.random.default_rng(0).dirichlet(np.ones(49), 3).astype("float32")
    for axes, weights in zip(overlay(image(), flat).axes[1:], flat, strict=True):
        np.testing.assert_array_equal(axes.images[1].get_array(), weights.reshape(7, 7))


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_integer_images_are_scaled_by_255_and_colors_are_kept(channels):
    numbers = np.round(255 * image(*channels)).astype("uint8")
    pixels = overlay(numbers, maps()).axes[0].images[0].get_array()
    expected = numbers[..., 0] if channels == (1,) else numbers
    np.testing.assert_allclose(pixels, expected / 255, rtol=1e-6)


def test_images_of_different_sizes_and_step_counts_are_drawn_below_each_other():
    images, weights = [image(), image(3)[:, :17]], [maps(2), maps(3, seed=1)]
    figure = overlay(images, weights, [WORDS[:2], WORDS[:3]], path=None)
    assert [axes.get_title() for axes in figure.axes] == ["", *WORDS[:2], "", *WORDS[:3]]
    figure.canvas.draw()
    positions = [axes.get_position() for axes in figure.axes]
    assert len({round(position.y1, 3) for position in positions[:3]}) == 1
    lower_top = max(position.y1 for position in positions[3:])
    assert lower_top < min(position.y0 for position in positions[:3])
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


def test_panels_continue_on_the_next_line_after_the_last_column():
    figure = overlay(image(), maps(), WORDS, columns=2)
    figure.canvas.draw()
    lines = [round(axes.get_position().y1, 3) for axes in figure.axes]
    assert lines == sorted(lines, reverse=True)
    assert [lines.count(line) for line in dict.fromkeys(lines)] == [2, 2, 2]


def test_titles_can_be_missing_and_are_not_parsed_as_math():
    figure = overlay(image(), maps(3), ["$x", None, " "])
    assert [axes.get_title() for axes in figure.axes] == ["", "$x", "", "\u2423"]
    figure.canvas.draw()


def test_step_with_zero_weights_is_dark():
    weights = np.zeros((1, H, W))
    figure = overlay(np.ones((9, 21)), weights)
    assert render_axes(figure, figure.axes[1]).max() < 0.5 * 255


def test_backend_tensor_of_any_float_dtype_is_accepted():
    tensor = ops.cast(ops.convert_to_tensor(maps()), "bfloat16")
    cells = overlay(ops.convert_to_tensor(image()), tensor).axes[1].images[1].get_array()
    np.testing.assert_allclose(cells, maps()[0], atol=4e-3)


def test_picture_is_written_without_temporary_files_or_pyplot_figures(tmp_path):
    figures = pyplot.get_fignums()
    overlay(image(), maps(), path=tmp_path / "a" / "overlay.png")
    assert (tmp_path / "a" / "overlay.png").read_bytes().startswith(b"\x89PNG")
    assert os.listdir(tmp_path / "a") == ["overlay.png"]
    assert pyplot.get_fignums() == figures


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"images": None}, "`images`.*images=None"),
        ({"images": np.ones(3)}, r"`images`.*\(3,\)"),
        ({"images": np.ones((3, 3, 2))}, r"`images`.*\(3, 3, 2\)"),
        ({"images": np.ones((0, 3))}, r"`images`.*\(0, 3\)"),
        ({"images": np.full((3, 3), 255.0)}, "`images`.*255"),
        ({"images": np.full((3, 3), 256)}, "`images`.*1.004"),
        ({"images": np.full((3, 3), np.nan)}, "`images` to be finite.*9 values"),
        ({"weights": None}, "`weights`.*weights=None"),
        ({"weights": np.ones(9)}, r"weights.shape=\(9,\)"),
        ({"weights": np.ones((2, 8))}, r"weights.shape=\(2, 8\)"),
        ({"weights": np.ones((0, 3, 3))}, r"weights.shape=\(0, 3, 3\)"),
        ({"weights": np.full((2, 3, 3), 1.5)}, "`weights` between 0 and 1.*1.5"),
        ({"titles": "birds"}, "titles=.'b', 'i'"),
        ({"titles": ["a"]}, r"`titles`.* 2 steps.*titles=\['a'\]"),
        ({"titles": [1, 2]}, r"titles=\[1, 2\]"),
        ({"titles": 3}, "titles=3"),
        ({"images": [image(), image()]}, "`weights`.* 2 images.*3 items"),
        (
            {"images": [image()] * 2, "weights": [maps(2)] * 2, "titles": [["a", "b"]]},
            "`titles`.* 2 images.*1 items",
        ),
        ({"columns": 0}, "columns=0"),
        ({"upsampling": "cubic"}, "upsampling='cubic'"),
        ({"path": "overlay.jpg"}, "overlay.jpg"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    call = {"images": image(), "weights": maps(2), **arguments}
    if isinstance(arguments.get("images"), list) and len(arguments) == 1:
        call["weights"] = [maps(2)] * 3
    with pytest.raises(ValueError, match=message):
        overlay(**call)


@pytest.mark.parametrize("is_flat", [False, True])
def test_queries_select_the_maps_of_locations(is_flat):
    weights = np.random.default_rng(0).uniform(size=(4, 4, 2, 2))
    flat = weights.reshape(16, 4)
    figure = overlay(np.ones((8, 8)), flat if is_flat else weights, queries=[(1, 3), (0, 2)])
    assert [axes.get_title() for axes in figure.axes] == ["", "from 1, 3", "from 0, 2"]
    for axes, (row, column) in zip(figure.axes[1:], [(1, 3), (0, 2)], strict=True):
        np.testing.assert_allclose(axes.images[1].get_array(), weights[row, column], rtol=1e-6)
        [dot] = axes.lines
        np.testing.assert_allclose(dot.get_xydata(), [(2 * column + 1, 2 * row + 1)])


@pytest.mark.parametrize(
    ("weights", "queries", "message"),
    [
        (np.ones((4, 4)) / 4, [(2, 0)], "a grid of 2 rows and 2 columns"),
        (np.ones((4, 4)) / 4, [(0,)], r"list of \(row, column\)"),
        (np.ones((4, 4)) / 4, [(-1, 0)], r"list of \(row, column\)"),
        (np.ones((4, 4)) / 4, [], r"list of \(row, column\)"),
        (np.ones((4, 4)) / 4, 3, "`queries` to be a list"),
        (np.ones((5, 4)) / 4, [(0, 0)], r"of a square grid.*\(5, 4\)"),
        (np.ones((4, 2, 2)) / 4, [(0, 0)], r"`queries` is given.*\(4, 2, 2\)"),
    ],
)
def test_invalid_queries_are_refused(weights, queries, message):
    with pytest.raises(ValueError, match=message):
        overlay(np.ones((8, 8)), weights, queries=queries)
