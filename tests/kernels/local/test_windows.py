import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.local.windows import gather_window, spread_window, window_around
from tests.gradients import gradients

RNG = np.random.default_rng(0)
PLACES = RNG.integers(-3, 10, size=(2, 5, 3))  # of seven


def numpy(x):
    return ops.convert_to_numpy(x)


@pytest.mark.parametrize("center", [-7.0, -1.5, 0.0, 0.2, 1.0, 2.5, 4.9, 5.0, 5.1, 6.0, 20.0])
@pytest.mark.parametrize("width", [1, 3])
def test_window_has_the_integers_near_the_center(center, width):
    centers = ops.full((1, 1), center, "float32")
    actual = window_around(centers, width, ops.array([4]), ops.array([6]))
    places, (distance,), (inside,) = (numpy(x)[0] for x in actual)
    expected = [s + 4 for s in range(6) if abs(s - np.float32(center)) <= width]
    assert places[inside].tolist() == expected
    np.testing.assert_allclose(distance, places - 4 - center, atol=1e-5)
    assert len(places) == 2 * width + 1


@pytest.mark.parametrize("width", [1, 3])
def test_band_has_the_windows_of_all_its_centers(width):
    centers = np.array([[0, 1, 1, 2], [2, 3, 4, 5], [6, 6, 6, 6]], "float32")
    starts, lengths = np.array([4, 0, 1], "int32"), np.array([6, 4, 8], "int32")
    actual = window_around(ops.array(centers), width, ops.array(starts), ops.array(lengths))
    places, distance, inside = map(numpy, actual)
    assert places.shape == (3, 4 + 2 * width)
    for i, j in np.ndindex(3, 4):
        expected = [s + starts[i] for s in range(lengths[i]) if abs(s - centers[i, j]) <= width]
        assert places[i, inside[i, j]].tolist() == expected
        np.testing.assert_allclose(distance[i, j], places[i] - starts[i] - centers[i, j])


@pytest.mark.parametrize("dtype", ["float32", "bool", "float16"])
def test_gathering_is_indexing(dtype):
    x = (RNG.normal(size=(2, 7, 11)) * 3).astype(dtype)
    expected = np.stack([row[np.clip(p, 0, 6)] for row, p in zip(x, PLACES, strict=True)])
    np.testing.assert_array_equal(numpy(gather_window(x, PLACES)), expected)
    np.testing.assert_array_equal(numpy(gather_window(x, PLACES[:, 0])), expected[:, 0])


def test_gathering_broadcasts_outer_dimensions():
    x, places = RNG.normal(size=(2, 3, 7, 5)), RNG.integers(0, 7, size=(2, 3, 4, 2))
    actual = numpy(gather_window(x, places))
    for i, j in np.ndindex(2, 3):
        np.testing.assert_allclose(actual[i, j], x[i, j][places[i, j]], rtol=1e-6)
    shared = numpy(gather_window(x[:1, :1], places))
    np.testing.assert_allclose(shared, x[0, 0][places], rtol=1e-6)
    same = numpy(gather_window(x, places[:1, :1]))
    np.testing.assert_allclose(same, x[:, :, places[0, 0]], rtol=1e-6)


def test_key_in_several_windows_sums_their_gradients():
    x = RNG.normal(size=(2, 7, 1)).astype("float32")
    factors = RNG.normal(size=(2, 5, 3, 1)).astype("float32")
    (actual,) = gradients(lambda x: ops.sum(ops.multiply(gather_window(x, PLACES), factors)), [x])
    expected = np.zeros((2, 7, 1))
    for b, t, w in np.ndindex(2, 5, 3):
        expected[b, np.clip(PLACES[b, t, w], 0, 6)] += factors[b, t, w]
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def create_windows():
    places = np.array([[-1, 0, 1], [4, 5, 6], [5, 6, 7], [2, 3, 4]])[None]
    weights = RNG.normal(size=(2, 4, 3)).astype("float32")
    return np.where((places >= 0) & (places < 7), weights, 0).astype("float32"), places


def test_spread_weights_keep_their_positions():
    weights, places = create_windows()
    expected = np.zeros((2, 4, 9))
    for b, t, w in np.ndindex(2, 4, 3):
        expected[b, t, places[0, t, w] + 1] = weights[b, t, w]
    np.testing.assert_allclose(numpy(spread_window(weights, places, 7)), expected[..., 1:8])


def test_gathering_reverses_spreading():
    weights, places = create_windows()
    rows = spread_window(weights, places, 7)
    gathered = numpy(gather_window(rows[..., None], places))[..., 0]
    inside = np.broadcast_to((places >= 0) & (places < 7), weights.shape)
    np.testing.assert_array_equal(gathered[inside], weights[inside])


def test_gradient_of_spreading():
    weights, places = create_windows()
    factors = RNG.normal(size=(2, 4, 7)).astype("float32")
    (actual,) = gradients(
        lambda w: ops.sum(ops.multiply(spread_window(w, places, 7), factors)), [weights]
    )
    inside = np.broadcast_to((places >= 0) & (places < 7), weights.shape)
    expected = np.take_along_axis(factors, np.broadcast_to(np.clip(places, 0, 6), weights.shape), 2)
    np.testing.assert_allclose(actual[inside], expected[inside], rtol=1e-6)
