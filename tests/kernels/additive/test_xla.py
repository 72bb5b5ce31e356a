"""Additive kernels inside graphs: compiled or not, with unknown sizes, and in loops."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels import tuning
from keras_attention.kernels.additive import formula, matmul
from keras_attention.kernels.additive.scores import additive_scores
from keras_attention.kernels.attention import compare
from keras_attention.score import AdditiveScore
from tests.gradients import gradients, with_gradient

BACKEND = keras.backend.backend()
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="needs TensorFlow graphs")
with_and_without_xla = pytest.mark.parametrize(
    "compile_it", [False, True], ids=["plain", "compiled"]
)
UNITS = 17
RNG = np.random.default_rng(0)
SCALE = RNG.normal(size=UNITS).astype("float32")


def projections(batch=2, queries=7, keys=5):
    sizes = (batch, queries, UNITS), (batch, keys, UNITS)
    return [RNG.normal(size=size).astype("float32") for size in sizes]


def compute_plain_scores(query, key, scale):
    return ops.sum(ops.tanh(query[:, :, None] + key[:, None]) * scale, axis=-1)


def make_loss(scores):
    return lambda q, k: ops.sum(ops.sin(scores(q, k, SCALE)))


def assert_near(results, expected_results):
    for result, expected in zip(results, expected_results, strict=True):
        result, expected = (ops.convert_to_numpy(x) for x in (result, expected))
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


@on_tensorflow
@with_and_without_xla
def test_gradients_in_graphs_of_unknown_sizes_match_the_plain_steps(compile_it):
    import tensorflow as tf

    unknown_sizes = [tf.TensorSpec((None, None, UNITS))] * 2
    run = tf.function(
        with_gradient(make_loss(additive_scores)), unknown_sizes, jit_compile=compile_it
    )
    for inputs in (projections(), projections(3, 1, 9)):
        expected = gradients(make_loss(compute_plain_scores), inputs)
        assert_near(run(*inputs)[1:], expected)


@on_tensorflow
@with_and_without_xla
@pytest.mark.parametrize("threshold", [0, 10**9], ids=["kernel", "plain"])
def test_graph_chooses_the_formula_or_the_kernel_by_run_time_sizes(
    compile_it, threshold, monkeypatch
):
    import tensorflow as tf

    modules = []

    def record_calls(module):
        def scores(*args, scores=module.scores):
            tf.py_function(lambda: modules.append(module.__name__.split(".")[-1]), [], [])
            return scores(*args)

        monkeypatch.setattr(module, "scores", scores)

    if not compile_it:  # XLA calls no Python
        record_calls(matmul)
        record_calls(formula)
    monkeypatch.setattr(tuning, "ADDITIVE_MIN_ELEMENTS_UNCOMPILED", threshold)
    monkeypatch.setattr(tuning, "ADDITIVE_MIN_PAIRS_UNCOMPILED", threshold)
    score = AdditiveScore(units=UNITS)
    query, key = projections()
    score(query, key)
    score.scale.assign(SCALE)

    def loss(query, key):
        return ops.sum(ops.sin(compare(score, query, key)))

    unknown_sizes = [tf.TensorSpec((None, None, UNITS))] * 2
    results = tf.function(with_gradient(loss), unknown_sizes, jit_compile=compile_it)(query, key)
    expected = gradients(make_loss(compute_plain_scores), (query, key))
    assert_near(results[1:], expected)
    if not compile_it:
        assert set(modules) == {"formula" if threshold else "matmul"}


@on_tensorflow
@with_and_without_xla
def test_layer_with_unknown_sizes_runs_blockwise(compile_it, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tuning, "ADDITIVE_PAIRS_PER_BLOCK", 20)
    monkeypatch.setattr(tuning, "ADDITIVE_TERMS_PER_ITERATION", 2)
    layer = keras_attention.AdditiveAttention(units=UNITS)
    query, value = projections()
    layer([query, value])
    mask = np.arange(5) < 4

    def loss(query, value):
        key_mask = tf.broadcast_to(mask, tf.shape(value)[:2])
        context = layer([query, value], mask=[None, key_mask], use_causal_mask=True)
        return tf.reduce_sum(context**2)

    run = tf.function(
        with_gradient(loss), [tf.TensorSpec((None, None, UNITS))] * 2, jit_compile=compile_it
    )
    layer.implementation = "blockwise"
    results = run(query, value)
    assert "_XlaMustCompile" not in str(tf.function(loss).get_concrete_function(query, value))
    layer.implementation = "plain"
    assert_near(results[1:], gradients(loss, (query, value)))


@on_tensorflow
@with_and_without_xla
def test_gradients_of_decoder_steps_match_the_plain_steps(compile_it):
    import tensorflow as tf

    attention = keras_attention.AdditiveAttention(units=UNITS)
    decoder = keras_attention.AttentionDecoder(keras.layers.GRUCell(4), attention)
    query, value = projections()
    decoder(query, value)

    def loss(query, value):
        return tf.reduce_sum(decoder(query, value) ** 2)

    results = []
    for implementation in ("plain", "blockwise"):
        attention.implementation = implementation
        results.append(tf.function(with_gradient(loss), jit_compile=compile_it)(query, value))
    assert_near(*results)


@on_tensorflow
@with_and_without_xla
@pytest.mark.parametrize("implementation", ["auto", "blockwise"])
def test_empty_batch_and_empty_sequence_are_accepted(compile_it, implementation):
    import tensorflow as tf

    layer = keras_attention.AdditiveAttention(UNITS, implementation=implementation)
    layer(np.ones((1, 3, 4), "float32"))

    @tf.function(input_signature=[tf.TensorSpec((None, None, 4))], jit_compile=compile_it)
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            context = layer(x)
        return context, tape.gradient(context, x)

    for shape in ((0, 3, 4), (2, 0, 4)):
        empty = np.ones(shape, "float32")
        assert [x.shape for x in run(empty)] == [shape, shape]
        assert layer(empty).shape == shape
