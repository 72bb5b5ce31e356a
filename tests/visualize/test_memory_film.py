"""The memory film draws every address weight at its time and slot."""

import os

import numpy as np
import pytest
from keras import ops
from matplotlib import pyplot

from keras_attention.visualize import memory_film

STEPS, SLOTS, WIDTH = 11, 7, 3


def addresses(*heads, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(SLOTS), (STEPS, *heads)).astype("float32")


def vectors(*shape):
    return np.random.default_rng(2).normal(size=(STEPS, *shape)).astype("float32")


def axes_by_title(figure):
    """Return {title: axes}, without color bars and empty cells."""
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def test_time_is_along_x_and_slots_are_along_y():
    panels = axes_by_title(memory_film(addresses(), addresses(seed=1)))
    assert list(panels) == ["write addresses", "read addresses"]
    for title, seed in (("read addresses", 0), ("write addresses", 1)):
        image = panels[title].images[0]
        np.testing.assert_array_equal(image.get_array(), addresses(seed=seed).T)
        assert image.get_clim() == (0, 1)
        assert image.get_cmap().name == "gray"
        assert panels[title].get_ylim() == (SLOTS - 0.5, -0.5)
        assert (panels[title].get_xlabel(), panels[title].get_ylabel()) == ("time", "slot")


def test_writing_is_on_the_left_and_reading_on_the_right_as_in_the_paper():
    figure = memory_film(
        addresses(), addresses(seed=1), vectors(5), vectors(2), vectors(WIDTH), vectors(WIDTH)
    )
    figure.canvas.draw()
    boxes = {title: axes.get_position() for title, axes in axes_by_title(figure).items()}
    columns = [["inputs", "additions", "write addresses"], ["outputs", "reads", "read addresses"]]
    for column in columns:
        assert len({round(boxes[title].x0, 2) for title in column}) == 1
        tops = [boxes[title].y1 for title in column]
        assert tops == sorted(tops, reverse=True)
    for left, right in zip(*columns, strict=True):
        assert boxes[left].x1 < boxes[right].x0
        assert round(boxes[left].y1, 2) == round(boxes[right].y1, 2)


def test_vectors_have_a_symmetric_color_scale():
    reads = vectors(WIDTH)
    image = axes_by_title(memory_film(addresses(), addresses(), reads=reads))["reads"].images[0]
    np.testing.assert_array_equal(image.get_array(), reads.T)
    assert image.get_clim() == (-np.abs(reads).max(), np.abs(reads).max())
    zeros = axes_by_title(memory_film(addresses(), addresses(), reads=0 * reads))["reads"].images[0]
    assert zeros.get_clim() == (-1, 1)


def test_each_head_has_a_panel_and_numbers_of_heads_can_differ():
    panels = axes_by_title(memory_film(addresses(3), addresses(1), additions=vectors(2, WIDTH)))
    heads = [f"read addresses, head {n}" for n in range(3)]
    assert set(panels) == {"additions, head 0", "additions, head 1", "write addresses", *heads}
    for n in range(3):
        head = panels[f"read addresses, head {n}"].images[0].get_array()
        np.testing.assert_array_equal(head, addresses(3)[:, n].T)


def test_panels_neither_overlap_nor_are_cut_off():
    figure = memory_film(
        np.repeat(addresses(2), 20, axis=-1) / 20,
        np.repeat(addresses(1), 20, axis=-1) / 20,
        vectors(9),
        vectors(8),
        reads=vectors(2, 20),
        title="copy",
    )
    figure.canvas.draw()
    boxes = [axes.get_tightbbox() for axes in figure.axes if axes.axison]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


def test_backend_tensor_of_any_float_dtype_is_accepted():
    tensor = ops.cast(ops.convert_to_tensor(addresses()), "bfloat16")
    cells = axes_by_title(memory_film(tensor, tensor))["read addresses"].images[0].get_array()
    np.testing.assert_allclose(cells, addresses().T, atol=4e-3)


def test_picture_is_written_without_temporary_files_or_pyplot_figures(tmp_path):
    figures = pyplot.get_fignums()
    memory_film(addresses(), addresses(), path=tmp_path / "a" / "film.png")
    assert (tmp_path / "a" / "film.png").read_bytes().startswith(b"\x89PNG")
    assert os.listdir(tmp_path / "a") == ["film.png"]
    assert pyplot.get_fignums() == figures


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"read_addresses": None}, "`read_addresses`.*read_addresses=None"),
        ({"write_addresses": np.ones(3)}, r"write_addresses.shape=\(3,\)"),
        ({"reads": np.ones((1, 11, 2, 3))}, r"reads.shape=\(1, 11, 2, 3\)"),
        ({"read_addresses": 1.5 * np.ones((11, 7))}, "`read_addresses` between 0 and 1.* 1.5"),
        ({"inputs": np.full((11, 3), np.nan)}, "`inputs` to be finite.*33 values"),
        ({"inputs": [["a"]]}, "`inputs` to be an array of real numbers"),
        ({"outputs": np.ones((5, 3))}, "same number of steps.*'outputs': 5"),
        ({"outputs": np.ones((11, 2, 3))}, r"`outputs` of shape \(T, any\), .*\(11, 2, 3\)"),
        ({"inputs": np.ones((11, 2, 3))}, r"`inputs` of shape \(T, any\), "),
        ({"read_addresses": np.eye(11)}, "'write_addresses': 7, 'read_addresses': 11"),
        ({"title": 3}, "title=3"),
        ({"path": "film.jpg"}, "film.jpg"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    arguments = {"read_addresses": addresses(), "write_addresses": addresses(), **arguments}
    with pytest.raises(ValueError, match=message):
        memory_film(**arguments)
