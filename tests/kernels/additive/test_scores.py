import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.additive import matmul, scores, xla
from tests import reference
from tests.finite_differences import assert_gradients_match
from tests.gradients import gradients

IMPLEMENTATIONS = {"xla": xla, "matmul": matmul}
# JAX compiles every operation again, so only the one it uses is tested.
if keras.backend.backend() == "jax":
    del IMPLEMENTATIONS["matmul"]
kernel = scores.additive_scores


@pytest.fixture(params=IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def implementation(request, monkeypatch):
    """Select each implementation, even where it is not the fastest."""
    monkeypatch.setattr(scores, "select_implementation", lambda: request.param)
    return request.param


def arrays(shape=(2,), queries=5, keys=7, units=19, size=1.0, dtype="float32"):
    """Return projections whose units do not fill the groups of either implementation."""
    rng = np.random.default_rng(0)
    query, key = (size * rng.normal(size=(*shape, t, units)) for t in (queries, keys))
    return query.astype(dtype), key.astype(dtype), rng.normal(size=units).astype(dtype)


def compute_plain_scores(query, key, scale):
    return ops.sum(ops.tanh(query[..., :, None, :] + key[..., None, :, :]) * scale, axis=-1)


def compute_float64_scores(query, key, scale):
    query, key = query.astype("float64"), key.astype("float64")
    return np.sum(np.tanh(query[..., :, None, :] + key[..., None, :, :]) * scale, axis=-1)


def assert_near(result, expected, tolerance):
    result = ops.convert_to_numpy(result)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_scores_equal_the_formula_of_the_paper(implementation):
    query, key, scale = arrays()
    eye = np.eye(19)
    expected = reference.for_each_sequence(
        lambda q, k: reference.additive(q, k, eye, eye, scale), query, key
    )
    assert_near(kernel(query, key, scale), expected, 1e-6)


@pytest.mark.parametrize("units", [1, 4, 16, 17, 33])
@pytest.mark.parametrize("shape", [(1,), (2, 3)])
def test_scores_are_exact_for_any_number_of_units_and_any_rank(implementation, shape, units):
    inputs = arrays(shape, units=units)
    assert_near(kernel(*inputs), compute_float64_scores(*inputs), 1e-6)


@pytest.mark.parametrize("queries, keys", [(1, 7), (5, 1), (1, 1), (33, 2)])
def test_scores_are_exact_for_any_number_of_queries_and_keys(implementation, queries, keys):
    inputs = arrays(queries=queries, keys=keys)
    assert_near(kernel(*inputs), compute_float64_scores(*inputs), 1e-6)
    upstream = np.random.default_rng(1).normal(size=(2, queries, keys)).astype("float32")
    check_gradients(inputs, upstream, 1e-5)


def test_batch_of_one_is_broadcast(implementation):
    query, key, scale = arrays()
    assert_near(kernel(query, key[:1], scale), compute_float64_scores(query, key[:1], scale), 1e-6)
    assert_near(kernel(query[:1], key, scale), compute_float64_scores(query[:1], key, scale), 1e-6)


@pytest.mark.parametrize("size", [0.001, 0.1, 3, 10, 20, 40])
def test_scores_are_exact_for_projections_up_to_40(implementation, size):
    query, key, scale = arrays(size=size)
    query, key = (np.clip(x, -40, 40) for x in (query, key))
    query[0, 0], key[0, 0], key[0, 1] = size, -size, size  # one pair cancels, one pair adds up
    tolerance = 1e-5 if size > 0.001 else 1e-4  # a tanh of 1e-3 loses digits in 1 - 2 r
    assert_near(kernel(query, key, scale), compute_float64_scores(query, key, scale), tolerance)
    upstream = np.random.default_rng(1).normal(size=(2, 5, 7)).astype("float32")
    check_gradients((query, key, scale), upstream, 1e-4)


@pytest.mark.parametrize("upstream", [1e6, 1e-4, 1e-8, 1e-14])
@pytest.mark.parametrize("size", [1, 20, 40])
def test_gradients_of_any_magnitude_are_exact(implementation, size, upstream):
    query, key, scale = arrays(size=size)
    query, key = (np.clip(x, -40, 40) for x in (query, key))
    query[0, 0], key[0, 0], key[0, 1] = size, -size, size
    upstream = (upstream * np.random.default_rng(1).normal(size=(2, 5, 7))).astype("float32")
    check_gradients((query, key, scale), upstream, 1e-4, absolute_tolerance=0)


def check_gradients(inputs, upstream, tolerance, absolute_tolerance=1e-6):
    results, expected_results = (
        gradients(lambda *x, f=f: ops.sum(ops.multiply(f(*x), upstream)), inputs)
        for f in (kernel, compute_plain_scores)
    )
    for result, expected in zip(results, expected_results, strict=True):
        bound = tolerance * np.abs(expected).max() + absolute_tolerance
        np.testing.assert_allclose(result, expected, rtol=0, atol=bound)


def test_huge_projections_saturate_the_tanh_without_nan(implementation):
    query, key, scale = arrays(size=1e12)
    result = ops.convert_to_numpy(kernel(query, key, 1e4 * scale))
    assert np.isfinite(result).all()
    far = np.full((1, 1, 4), 1e12, "float32")
    ones = np.ones(4, "float32")
    assert_near(kernel(far, 0 * far, ones), np.full((1, 1, 1), 4.0), 1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(kernel(-far, far, ones)), 0, atol=1e-6)
    results = gradients(lambda *x: ops.sum(kernel(*x)), (query, key, 1e4 * scale))
    assert all(np.isfinite(x).all() for x in results)


def test_zero_scale_gives_zero_scores_and_a_right_gradient(implementation):
    query, key, scale = arrays()
    result = kernel(query, key, 0 * scale)
    np.testing.assert_allclose(ops.convert_to_numpy(result), 0, atol=1e-6)
    *_, grad_scale = gradients(lambda *x: ops.sum(kernel(*x)), (query, key, 0 * scale))
    *_, expected = gradients(lambda *x: ops.sum(compute_plain_scores(*x)), (query, key, 0 * scale))
    np.testing.assert_allclose(grad_scale, expected, rtol=1e-4, atol=1e-5)


def test_gradients_equal_finite_differences(implementation):
    factors = np.random.default_rng(1).normal(size=(2, 2, 3))

    def loss(query, key, scale):
        return ops.sum(kernel(query, key, scale) * ops.cast(factors, query.dtype))

    def formula(query, key, scale):
        return np.sum(compute_float64_scores(query, key, scale) * factors)

    assert_gradients_match(loss, formula, arrays(queries=2, keys=3, units=5))


def test_scale_can_be_a_variable(implementation):
    query, key, scale = arrays()
    variable = keras.Variable(scale)
    results = gradients(lambda q, k: ops.sum(kernel(q, k, variable)), (query, key), [variable])
    expected_results = gradients(lambda *x: ops.sum(compute_plain_scores(*x)), (query, key, scale))
    for result, expected in zip(results, expected_results, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
