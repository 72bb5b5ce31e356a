"""Additive scores of a single query, with exponentials of the keys computed before a loop."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels import attention as attention_module
from keras_attention.kernels.additive.single_query import StepKeys, additive_step, prepare_keys
from keras_attention.kernels.attention import compare, prepare_step_keys
from keras_attention.score import AdditiveScore, DotScore
from tests.gradients import gradients
from tests.kernels.additive.test_xla import compute_plain_scores, on_tensorflow

UNITS = 17


def arrays(size=1.0, batch=2, keys=7):
    rng = np.random.default_rng(0)
    shapes = (batch, 1, UNITS), (batch, keys, UNITS), (UNITS,)
    return [size * rng.normal(size=shape).astype("float32") for shape in shapes[:2]] + [
        rng.normal(size=shapes[2]).astype("float32")
    ]


def compute_step(query, key, scale):
    return additive_step(query, prepare_keys(key), scale)


@pytest.mark.parametrize("size", [0.1, 1, 10])
def test_scores_and_gradients_match_the_plain_steps(size):
    inputs = arrays(size)
    functions = compute_step, compute_plain_scores
    result, expected = (ops.convert_to_numpy(f(*inputs)) for f in functions)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    upstream = np.random.default_rng(1).normal(size=(2, 1, 7)).astype("float32")
    results, expected_results = (
        gradients(lambda *x, f=f: ops.sum(ops.multiply(f(*x), upstream)), inputs) for f in functions
    )
    for result, expected in zip(results, expected_results, strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX's rules are for one derivative")
@pytest.mark.parametrize("order", [2, 3])
def test_higher_derivatives_equal_those_of_the_plain_formula(order):
    import jax

    query, key, scale = arrays(batch=1, keys=2)
    results = []
    for function in (compute_step, compute_plain_scores):

        def derivative(step, function=function):
            scores = function(query + step * query[:, :, ::-1], key + step, scale)
            return ops.sum(ops.sin(scores))

        for _ in range(order):
            derivative = jax.grad(derivative)
        results.append(float(jax.jit(derivative)(0.1)))
    np.testing.assert_allclose(*results, rtol=1e-3)


def test_huge_projections_give_finite_scores_and_gradients():
    query, key, scale = arrays(1e12)
    results = [ops.convert_to_numpy(compute_step(query, key, scale))]
    results += gradients(lambda *x: ops.sum(compute_step(*x)), (query, key, scale))
    assert all(np.isfinite(x).all() for x in results)


@pytest.mark.parametrize(
    "score, implementation, is_compiled, expected",
    [
        (AdditiveScore(UNITS), "auto", True, True),
        (AdditiveScore(UNITS), "auto", False, False),
        (AdditiveScore(UNITS), "plain", True, False),
        (AdditiveScore(4), "auto", True, False),
        (DotScore(), "auto", True, False),
    ],
)
def test_exponentials_are_prepared_only_under_a_compiler(
    score, implementation, is_compiled, expected, monkeypatch
):
    monkeypatch.setattr(attention_module, "is_compiled", lambda: is_compiled)
    keys = ops.ones((2, 7, getattr(score, "units", None) or 8))
    prepared = prepare_step_keys(score, keys, implementation)
    assert isinstance(prepared, StepKeys) == expected
    assert expected or prepared is keys


def test_several_queries_and_a_shared_memory_do_not_use_the_exponentials(monkeypatch):
    monkeypatch.setattr(attention_module, "additive_step", None)
    query, key, scale = arrays()
    score = AdditiveScore(UNITS)
    score(query, key)
    compare(score, np.repeat(query, 3, axis=1), prepare_keys(key))
    compare(score, query, prepare_keys(key[:1]))
    with pytest.raises(TypeError):
        compare(score, query, prepare_keys(key))


@on_tensorflow
@pytest.mark.parametrize("is_static", [True, False], ids=["known", "unknown"])
def test_compiled_decoder_uses_the_step_and_has_plain_gradients(is_static, monkeypatch):
    import tensorflow as tf

    calls = []
    monkeypatch.setattr(
        attention_module, "additive_step", lambda *x: calls.append(x) or additive_step(*x)
    )
    rng = np.random.default_rng(2)
    target, memory = (rng.normal(size=(2, t, 5)).astype("float32") for t in (3, 6))
    mask = np.arange(6) < np.array([[4], [6]])
    results = []
    for implementation in ("auto", "plain"):
        keras.utils.set_random_seed(0)
        attention = keras_attention.AdditiveAttention(UNITS, implementation=implementation)
        decoder = keras_attention.AttentionDecoder(keras.layers.GRUCell(8), attention)
        decoder(target, memory)
        shape = None if is_static else (None, None, 5)
        signature = [tf.TensorSpec(shape or x.shape) for x in (target, memory)]

        @tf.function(input_signature=signature, jit_compile=True)
        def run(target, memory, decoder=decoder):
            with tf.GradientTape() as tape:
                tape.watch([target, memory])
                outputs = decoder(target, memory, memory_mask=mask)
                loss = tf.reduce_sum(tf.sin(outputs))
            variables = [v.value for v in decoder.trainable_variables]
            return outputs, *tape.gradient(loss, [target, memory, *variables])

        results.append(run(target, memory))
        assert bool(calls) == (implementation == "auto")
        calls.clear()
    for result, expected in zip(*results, strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5)
