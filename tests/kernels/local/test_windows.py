import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.local.windows import gather_window, spread_window, window_around
from tests.gradients import gradients

RNG = np.random.default_rng(0)
PLACES = RNG.integers(-3, 10, size=(2, 5, 3))  # of seven


def numpy(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("centre", [-7.0, -1.5, 0.0, 0.2, 1.0, 2.5, 4.9, 5.0, 5.1, 6.0, 20.0])
@pytest.mark.parametrize("width", [1, 3])
def test_a_window_has_the_whole_places_that_are_near(centre, width):
    centres = ops.full((1, 1), centre, "float32")
    found = window_around(centres, width, ops.array([4]), ops.array([6]))
    places, (distance,), (inside,) = (numpy(x)[0] for x in found)
    wanted = [s + 4 for s in range(6) if abs(s - np.float32(centre)) <= width]
    assert places[inside].tolist() == wanted
    np.testing.assert_allclose(distance, places - 4 - centre, atol=1e-5)
    assert len(places) == 2 * width + 1


@pytest.mark.parametrize("width", [1, 3])
def test_a_band_has_the_windows_of_all_its_centres(width):
    centres = np.array([[0, 1, 1, 2], [2, 3, 4, 5], [6, 6, 6, 6]], "float32")
    starts, lengths = np.array([4, 0, 1], "int32"), np.array([6, 4, 8], "int32")
    found = window_around(ops.array(centres), width, ops.array(starts), ops.array(lengths))
    places, distance, inside = map(numpy, found)
    assert places.shape == (3, 4 + 2 * width)
    for i, j in np.ndindex(3, 4):
        wanted = [s + starts[i] for s in range(lengths[i]) if abs(s - centres[i, j]) <= width]
        assert places[i, inside[i, j]].tolist() == wanted
        np.testing.assert_allclose(distance[i, j], places[i] - starts[i] - centres[i, j])


@pytest.mark.parametrize("dtype", ["float32", "bool", "float16"])
def test_gathering_is_indexing(dtype):
    x = (RNG.normal(size=(2, 7, 11)) * 3).astype(dtype)
    wanted = np.stack([row[np.clip(p, 0, 6)] for row, p in zip(x, PLACES, strict=True)])
    np.testing.assert_array_equal(numpy(gather_window(x, PLACES)), wanted)
    np.testing.assert_array_equal(numpy(gather_window(x, PLACES[:, 0])), wanted[:, 0])


def test_gathering_takes_outer_dimensions_and_lone_ones():
    x, places = RNG.normal(size=(2, 3, 7, 5)), RNG.integers(0, 7, size=(2, 3, 4, 2))
    found = numpy(gather_window(x, places))
    for i, j in np.ndindex(2, 3):
        np.testing.assert_allclose(found[i, j], x[i, j][places[i, j]], rtol=1e-6)
    alone = numpy(gather_window(x[:1, :1], places))
    np.testing.assert_allclose(alone, x[0, 0][places], rtol=1e-6)
    same = numpy(gather_window(x, places[:1, :1]))
    np.testing.assert_allclose(same, x[:, :, places[0, 0]], rtol=1e-6)


def test_a_key_in_several_windows_gets_the_gradients_of_all():
    x = RNG.normal(size=(2, 7, 1)).astype("float32")
    factors = RNG.normal(size=(2, 5, 3, 1)).astype("float32")
    (found,) = gradients(lambda x: ops.sum(ops.multiply(gather_window(x, PLACES), factors)), [x])
    wanted = np.zeros((2, 7, 1))
    for b, t, w in np.ndindex(2, 5, 3):
        wanted[b, np.clip(PLACES[b, t, w], 0, 6)] += factors[b, t, w]
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def windows():
    places = np.array([[-1, 0, 1], [4, 5, 6], [5, 6, 7], [2, 3, 4]])[None]
    weights = RNG.normal(size=(2, 4, 3)).astype("float32")
    return np.where((places >= 0) & (places < 7), weights, 0).astype("float32"), places


def test_spread_weights_stand_at_their_places():
    weights, places = windows()
    wanted = np.zeros((2, 4, 9))
    for b, t, w in np.ndindex(2, 4, 3):
        wanted[b, t, places[0, t, w] + 1] = weights[b, t, w]
    np.testing.assert_allclose(numpy(spread_window(weights, places, 7)), wanted[..., 1:8])


def test_spreading_is_the_reverse_of_gathering():
    weights, places = windows()
    rows = spread_window(weights, places, 7)
    again = numpy(gather_window(rows[..., None], places))[..., 0]
    inside = np.broadcast_to((places >= 0) & (places < 7), weights.shape)
    np.testing.assert_array_equal(again[inside], weights[inside])


def test_spread_weights_get_the_gradient_of_their_places():
    weights, places = windows()
    factors = RNG.normal(size=(2, 4, 7)).astype("float32")
    (found,) = gradients(
        lambda w: ops.sum(ops.multiply(spread_window(w, places, 7), factors)), [weights]
    )
    inside = np.broadcast_to((places >= 0) & (places < 7), weights.shape)
    wanted = np.take_along_axis(factors, np.broadcast_to(np.clip(places, 0, 6), weights.shape), 2)
    np.testing.assert_allclose(found[inside], wanted[inside], rtol=1e-6)
