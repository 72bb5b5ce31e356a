import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.additive import matmul, scores, xla
from tests import reference
from tests.finite_differences import assert_gradients_are_differences
from tests.gradients import gradients

WAYS = {"by_units": xla, "by_products": matmul}
if keras.backend.backend() == "jax":  # compiles every operation anew: the one that it takes
    del WAYS["by_products"]
kernel = scores.additive_scores


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def way(request, monkeypatch):
    """Each way of computing them, also where it is not the best."""
    monkeypatch.setattr(scores, "select_implementation", lambda: request.param)
    return request.param


def arrays(shape=(2,), queries=5, keys=7, units=19, size=1.0, dtype="float32"):
    """Units that fill no group of either way."""
    rng = np.random.default_rng(0)
    query, key = (size * rng.normal(size=(*shape, t, units)) for t in (queries, keys))
    return query.astype(dtype), key.astype(dtype), rng.normal(size=units).astype(dtype)


def plain(query, key, scale):
    return ops.sum(ops.tanh(query[..., :, None, :] + key[..., None, :, :]) * scale, axis=-1)


def exact(query, key, scale):
    query, key = query.astype("float64"), key.astype("float64")
    return np.sum(np.tanh(query[..., :, None, :] + key[..., None, :, :]) * scale, axis=-1)


def assert_near(got, want, tolerance):
    got = ops.convert_to_numpy(got)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


def test_it_is_the_papers_formula(way):
    query, key, scale = arrays()
    eye = np.eye(19)
    wanted = reference.each(lambda q, k: reference.additive(q, k, eye, eye, scale), query, key)
    assert_near(kernel(query, key, scale), wanted, 1e-6)


@pytest.mark.parametrize("units", [1, 4, 16, 17, 33])
@pytest.mark.parametrize("shape", [(1,), (2, 3)])
def test_any_number_of_units_and_any_rank(way, shape, units):
    given = arrays(shape, units=units)
    assert_near(kernel(*given), exact(*given), 1e-6)


@pytest.mark.parametrize("queries, keys", [(1, 7), (5, 1), (1, 1), (33, 2)])
def test_any_number_of_queries_and_keys(way, queries, keys):
    given = arrays(queries=queries, keys=keys)
    assert_near(kernel(*given), exact(*given), 1e-6)
    upstream = np.random.default_rng(1).normal(size=(2, queries, keys)).astype("float32")
    check_gradients(given, upstream, 1e-5)


def test_one_memory_for_all_who_ask(way):
    query, key, scale = arrays()
    assert_near(kernel(query, key[:1], scale), exact(query, key[:1], scale), 1e-6)
    assert_near(kernel(query[:1], key, scale), exact(query[:1], key, scale), 1e-6)


@pytest.mark.parametrize("size", [0.001, 0.1, 3, 10, 20, 40])
def test_it_is_exact_up_to_projections_of_40(way, size):
    query, key, scale = arrays(size=size)
    query, key = (np.clip(x, -40, 40) for x in (query, key))
    query[0, 0], key[0, 0], key[0, 1] = size, -size, size  # cancel, and add up
    tolerance = 1e-5 if size > 0.001 else 1e-4  # a tanh of 1e-3 has lost digits in 1 - 2 r
    assert_near(kernel(query, key, scale), exact(query, key, scale), tolerance)
    upstream = np.random.default_rng(1).normal(size=(2, 5, 7)).astype("float32")
    check_gradients((query, key, scale), upstream, 1e-4)


@pytest.mark.parametrize("upstream", [1e6, 1e-4, 1e-8, 1e-14])
@pytest.mark.parametrize("size", [1, 20, 40])
def test_gradients_are_exact_however_small_or_large(way, size, upstream):
    query, key, scale = arrays(size=size)
    query, key = (np.clip(x, -40, 40) for x in (query, key))
    query[0, 0], key[0, 0], key[0, 1] = size, -size, size
    upstream = (upstream * np.random.default_rng(1).normal(size=(2, 5, 7))).astype("float32")
    check_gradients((query, key, scale), upstream, 1e-4, least=0)


def check_gradients(given, upstream, tolerance, least=1e-6):
    found, wanted = (
        gradients(lambda *x, f=f: ops.sum(ops.multiply(f(*x), upstream)), given)
        for f in (kernel, plain)
    )
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max() + least)


def test_beyond_a_tanh_is_saturated_and_nothing_is_nan(way):
    query, key, scale = arrays(size=1e12)
    found = ops.convert_to_numpy(kernel(query, key, 1e4 * scale))
    assert np.isfinite(found).all()
    far = np.full((1, 1, 4), 1e12, "float32")
    ones = np.ones(4, "float32")
    assert_near(kernel(far, 0 * far, ones), np.full((1, 1, 1), 4.0), 1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(kernel(-far, far, ones)), 0, atol=1e-6)
    found = gradients(lambda *x: ops.sum(kernel(*x)), (query, key, 1e4 * scale))
    assert all(np.isfinite(x).all() for x in found)


def test_a_scale_of_zeros_gives_zeros_and_has_a_gradient(way):
    query, key, scale = arrays()
    found = kernel(query, key, 0 * scale)
    np.testing.assert_allclose(ops.convert_to_numpy(found), 0, atol=1e-6)
    *_, of_scale = gradients(lambda *x: ops.sum(kernel(*x)), (query, key, 0 * scale))
    (*_, wanted) = gradients(lambda *x: ops.sum(plain(*x)), (query, key, 0 * scale))
    np.testing.assert_allclose(of_scale, wanted, rtol=1e-4, atol=1e-5)


def test_its_gradients_are_differences(way):
    factors = np.random.default_rng(1).normal(size=(2, 2, 3))

    def loss(query, key, scale):
        return ops.sum(kernel(query, key, scale) * ops.cast(factors, query.dtype))

    def formula(query, key, scale):
        return np.sum(exact(query, key, scale) * factors)

    assert_gradients_are_differences(loss, formula, arrays(queries=2, keys=3, units=5))


def test_a_variable_may_be_the_scale(way):
    query, key, scale = arrays()
    variable = keras.Variable(scale)
    found = gradients(lambda q, k: ops.sum(kernel(q, k, variable)), (query, key), [variable])
    wanted = gradients(lambda *x: ops.sum(plain(*x)), (query, key, scale))
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
