"""The film of a memory draws every address at its time and slot."""

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


def panels(figure):
    """Title: axes, without colour bars and empty places."""
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def test_time_runs_along_x_and_slots_along_y():
    drawn = panels(memory_film(addresses(), addresses(seed=1)))
    assert list(drawn) == ["write addresses", "read addresses"]
    for title, seed in (("read addresses", 0), ("write addresses", 1)):
        image = drawn[title].images[0]
        np.testing.assert_array_equal(image.get_array(), addresses(seed=seed).T)
        assert image.get_clim() == (0, 1)
        assert image.get_cmap().name == "gray"
        assert drawn[title].get_ylim() == (SLOTS - 0.5, -0.5)
        assert (drawn[title].get_xlabel(), drawn[title].get_ylabel()) == ("time", "slot")


def test_writing_stands_on_the_left_and_reading_on_the_right_as_in_the_paper():
    figure = memory_film(
        addresses(), addresses(seed=1), vectors(5), vectors(2), vectors(WIDTH), vectors(WIDTH)
    )
    figure.canvas.draw()
    places = {title: axes.get_position() for title, axes in panels(figure).items()}
    columns = [["inputs", "additions", "write addresses"], ["outputs", "reads", "read addresses"]]
    for column in columns:
        assert len({round(places[title].x0, 2) for title in column}) == 1
        tops = [places[title].y1 for title in column]
        assert tops == sorted(tops, reverse=True)
    for left, right in zip(*columns, strict=True):
        assert places[left].x1 < places[right].x0
        assert round(places[left].y1, 2) == round(places[right].y1, 2)


def test_a_vector_is_drawn_around_zero_up_to_its_largest_number():
    reads = vectors(WIDTH)
    image = panels(memory_film(addresses(), addresses(), reads=reads))["reads"].images[0]
    np.testing.assert_array_equal(image.get_array(), reads.T)
    assert image.get_clim() == (-np.abs(reads).max(), np.abs(reads).max())
    still = panels(memory_film(addresses(), addresses(), reads=0 * reads))["reads"].images[0]
    assert still.get_clim() == (-1, 1)


def test_each_head_has_a_panel_and_their_numbers_may_differ():
    drawn = panels(memory_film(addresses(3), addresses(1), additions=vectors(2, WIDTH)))
    heads = [f"read addresses, head {n}" for n in range(3)]
    assert set(drawn) == {"additions, head 0", "additions, head 1", "write addresses", *heads}
    for n in range(3):
        head = drawn[f"read addresses, head {n}"].images[0].get_array()
        np.testing.assert_array_equal(head, addresses(3)[:, n].T)


def test_nothing_overlaps_and_nothing_is_cut_off():
    figure = memory_film(
        np.repeat(addresses(2), 20, axis=-1) / 20,
        np.repeat(addresses(1), 20, axis=-1) / 20,
        vectors(9),
        vectors(8),
        reads=vectors(2, 20),
        title="copy",
    )
    figure.canvas.draw()
    places = [axes.get_tightbbox() for axes in figure.axes if axes.axison]
    for place in places:
        assert place.x0 >= 0 and place.y0 >= 0
        assert place.x1 <= figure.bbox.width and place.y1 <= figure.bbox.height
    assert not any(a.overlaps(b) for n, a in enumerate(places) for b in places[:n])


def test_tensors_of_the_backend_are_drawn_in_any_float():
    tensor = ops.cast(ops.convert_to_tensor(addresses()), "bfloat16")
    drawn = panels(memory_film(tensor, tensor))["read addresses"].images[0].get_array()
    np.testing.assert_allclose(drawn, addresses().T, atol=4e-3)


def test_the_picture_is_written_and_nothing_global_is_touched(tmp_path):
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
        ({"outputs": np.ones((5, 3))}, "as many steps.*'outputs': 5"),
        ({"outputs": np.ones((11, 2, 3))}, r"`outputs` of shape \(T, any\), .*\(11, 2, 3\)"),
        ({"inputs": np.ones((11, 2, 3))}, r"`inputs` of shape \(T, any\), "),
        ({"read_addresses": np.eye(11)}, "'write_addresses': 7, 'read_addresses': 11"),
        ({"title": 3}, "title=3"),
        ({"path": "film.jpg"}, "film.jpg"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    given = {"read_addresses": addresses(), "write_addresses": addresses(), **arguments}
    with pytest.raises(ValueError, match=message):
        memory_film(**given)
