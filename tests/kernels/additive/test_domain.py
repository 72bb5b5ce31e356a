"""Additive kernels match the plain formula for projections of any magnitude."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels import tuning
from keras_attention.kernels.additive import branch, matmul, scores, xla
from keras_attention.kernels.additive.attention import additive_attention
from keras_attention.kernels.additive.scores import additive_scores
from keras_attention.kernels.additive.single_query import additive_step, prepare_keys
from tests.gradients import gradients

BACKEND = keras.backend.backend()
SIZES = [1e-40, 1e-30, 1, 20, 43, 44, 88, 1e4, 1e30]
DTYPES = ["float32", "float64"] if BACKEND == "tensorflow" else ["float32"]
UNITS = 9
FACTORS = np.random.default_rng(1).normal(size=(2, 3, 4))
IMPLEMENTATIONS = {"matmul": matmul, "xla": xla}
if BACKEND == "jax":  # JAX compiles every operation again, so only the one it uses is tested
    del IMPLEMENTATIONS["matmul"]


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request, monkeypatch):
    """Select each implementation, even where it is not the fastest."""
    module, is_compiled = IMPLEMENTATIONS[request.param], request.param == "xla"
    monkeypatch.setattr(scores, "select_implementation", lambda: module)
    monkeypatch.setattr(branch, "is_compiled", lambda: is_compiled)
    monkeypatch.setattr(tuning, "ADDITIVE_TERMS_PER_ITERATION", 2)
    monkeypatch.setattr(tuning, "ADDITIVE_PAIRS_PER_BLOCK", 2 * 4 * 2)


def arrays(size, dtype="float32"):
    """Return projections of mixed signs up to `size`, some of which cancel, and the scale."""
    rng = np.random.default_rng(0)
    query, key = (size * rng.uniform(-1, 1, (2, n, UNITS)) for n in (3, 4))
    query[:, 0], key[:, 0], key[:, 1] = size, size, -size
    key[0, 2] = -query[0, 1] + rng.uniform(-2, 2, UNITS) * min(size, 1)
    return query.astype(dtype), key.astype(dtype), rng.normal(size=UNITS).astype(dtype)


def compute_float64_results(query, key, scale):
    """Return the scores, and the gradients of the sum of the scores times `FACTORS`."""
    query, key, scale = (x.astype("float64") for x in (query, key, scale))
    hidden = np.tanh(query[:, :, None] + key[:, None])
    factors = FACTORS[:, : query.shape[1], :, None]
    slopes = factors * scale * (1 - hidden**2)
    grad_scale = np.sum(factors * hidden, (0, 1, 2))
    return hidden @ scale, slopes.sum(2), slopes.sum(1), grad_scale


def assert_near(results, expected_results, tolerance):
    for result, expected in zip(results, expected_results, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(result), expected, 0, tolerance)


def run_step(query, key, scale):
    return additive_step(query, prepare_keys(key), scale)


@pytest.mark.parametrize("size", SIZES if BACKEND != "jax" else [1e-40, 43, 44, 1e30])
@pytest.mark.parametrize(
    "dtype", ["float32", "float64"] if BACKEND == "tensorflow" else ["float32"]
)
def test_scores_and_gradients_equal_the_plain_formula(implementation, dtype, size):
    inputs = arrays(size, dtype)
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    for kernel, queries in ((additive_scores, 3), (run_step, 1)):
        inputs = inputs[0][:, :queries], *inputs[1:]
        factors = FACTORS[:, :queries].astype(dtype)
        results = gradients(lambda *x, f=kernel, w=factors: ops.sum(ops.multiply(f(*x), w)), inputs)
        expected = compute_float64_results(*inputs)
        assert_near([kernel(*inputs), *results], expected, tolerance)


@pytest.mark.parametrize("size", [43, 44, 1e4])
def test_blockwise_attention_equals_the_plain_formula(implementation, size):
    query, key, scale = arrays(size)
    value = np.random.default_rng(2).normal(size=(2, 4, 3)).astype("float32")

    def attend_plainly(query, key, scale, value):
        hidden = ops.tanh(query[:, :, None] + key[:, None])
        return ops.matmul(ops.softmax(ops.sum(hidden * scale, axis=-1)), value)

    def attend(*inputs):
        return additive_attention(*inputs)[0]

    inputs = query, key, scale, value
    results, expected = (
        [f(*inputs), *gradients(lambda *x, f=f: ops.sum(ops.sin(f(*x))), inputs)]
        for f in (attend, attend_plainly)
    )
    assert_near(results, [ops.convert_to_numpy(x) for x in expected], 5e-5)


def test_result_of_a_sequence_does_not_depend_on_the_batch():
    pixels = np.random.default_rng(0).uniform(0, 255, (32, 128, 8)).astype("float32")
    layer = keras_attention.AdditiveAttention(64)
    whole, single = (ops.convert_to_numpy(layer(x)) for x in (pixels, pixels[:1]))
    np.testing.assert_allclose(whole[:1], single, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("size", [1, 1e4])
def test_blockwise_layer_matches_plain_layer_under_every_policy(dtype, size):
    x = (size * np.random.default_rng(0).uniform(-1, 1, (2, 6, 4))).astype("float32")
    results = []
    for name in ("plain", "blockwise"):
        layer = keras_attention.AdditiveAttention(
            UNITS, implementation=name, kernel_initializer="ones", dtype=dtype
        )
        layer(x)
        layer.score.scale.assign(np.linspace(-1, 1, UNITS))
        results.append(ops.convert_to_numpy(ops.cast(layer(x), "float32")))
    tolerance = 1e-5 if dtype == "float32" else 1e-2
    np.testing.assert_allclose(*results, rtol=tolerance, atol=tolerance * size)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="needs tf.function")
def test_compiled_program_selects_the_formula_at_run_time():
    import tensorflow as tf

    unknown = [tf.TensorSpec((None, None, UNITS))] * 2 + [tf.TensorSpec((UNITS,))]
    run = tf.function(additive_scores, unknown, jit_compile=True)
    for size in (1, 1e4):
        inputs = arrays(size)
        assert_near([run(*inputs)], compute_float64_results(*inputs)[:1], 1e-5)
