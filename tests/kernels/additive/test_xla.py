"""The kernels inside of graphs: compiled or not, of unknown sizes, and in loops."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels.additive import attention as reading
from keras_attention.kernels.additive import compare, formula, matmul
from keras_attention.kernels.additive.scores import additive_scores
from keras_attention.score import AdditiveScore
from tests.gradients import gradients, with_gradient

BACKEND = keras.backend.backend()
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's graphs")
compiled = pytest.mark.parametrize("compile_it", [False, True], ids=["plain", "compiled"])
UNITS = 17
RNG = np.random.default_rng(0)
SCALE = RNG.normal(size=UNITS).astype("float32")


def projections(batch=2, queries=7, keys=5):
    sizes = (batch, queries, UNITS), (batch, keys, UNITS)
    return [RNG.normal(size=size).astype("float32") for size in sizes]


def plain(query, key, scale):
    return ops.sum(ops.tanh(query[:, :, None] + key[:, None]) * scale, axis=-1)


def loss(scores):
    return lambda q, k: ops.sum(ops.sin(scores(q, k, SCALE)))


def assert_near(found, wanted):
    for got, want in zip(found, wanted, strict=True):
        got, want = (ops.convert_to_numpy(x) for x in (got, want))
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@on_tensorflow
@compiled
def test_sizes_may_be_unknown(compile_it):
    import tensorflow as tf

    unknown = [tf.TensorSpec((None, None, UNITS))] * 2
    run = tf.function(with_gradient(loss(additive_scores)), unknown, jit_compile=compile_it)
    for given in (projections(), projections(3, 1, 9)):
        assert_near(run(*given)[1:], gradients(loss(plain), given))


@on_tensorflow
@compiled
@pytest.mark.parametrize("few", [0, 10**9], ids=["kernel", "plain"])
def test_unknown_sizes_choose_when_they_are_known(compile_it, few, monkeypatch):
    import tensorflow as tf

    taken = []

    def counted(module):
        def scores(*given, scores=module.scores):
            tf.py_function(lambda: taken.append(module.__name__.split(".")[-1]), [], [])
            return scores(*given)

        monkeypatch.setattr(module, "scores", scores)

    if not compile_it:  # XLA calls no Python
        counted(matmul)
        counted(formula)
    monkeypatch.setattr(compare, "FEW_UNCOMPILED", few)
    monkeypatch.setattr(compare, "FEW_PAIRS", few)
    score = AdditiveScore(units=UNITS)
    query, key = projections()
    score(query, key)
    score.scale.assign(SCALE)

    def summed(query, key):
        return ops.sum(ops.sin(compare.compare(score, query, key)))

    unknown = [tf.TensorSpec((None, None, UNITS))] * 2
    found = tf.function(with_gradient(summed), unknown, jit_compile=compile_it)(query, key)
    assert_near(found[1:], gradients(loss(plain), (query, key)))
    if not compile_it:
        assert set(taken) == {"formula" if few else "matmul"}


@on_tensorflow
@compiled
def test_a_layer_of_unknown_sizes_reads_in_blocks(compile_it, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(reading, "PAIRS", 20)
    monkeypatch.setattr(reading, "TERMS", 1)
    layer = keras_attention.AdditiveAttention(units=UNITS)
    query, value = projections()
    layer([query, value])
    mask = np.arange(5) < 4

    def summed(query, value):
        seen = tf.broadcast_to(mask, tf.shape(value)[:2])
        return tf.reduce_sum(layer([query, value], mask=[None, seen], use_causal_mask=True) ** 2)

    run = tf.function(
        with_gradient(summed), [tf.TensorSpec((None, None, UNITS))] * 2, jit_compile=compile_it
    )
    layer.score.implementation = "blockwise"
    found = run(query, value)
    assert "_XlaMustCompile" not in str(tf.function(summed).get_concrete_function(query, value))
    layer.score.implementation = "plain"
    assert_near(found[1:], gradients(summed, (query, value)))


@on_tensorflow
@compiled
def test_a_decoder_asks_it_at_every_step(compile_it):
    import tensorflow as tf

    attention = keras_attention.AdditiveAttention(units=UNITS)
    decoder = keras_attention.AttentionDecoder(keras.layers.GRUCell(4), attention)
    query, value = projections()
    decoder(query, value)

    def summed(query, value):
        return tf.reduce_sum(decoder(query, value) ** 2)

    found = {}
    for way in ("plain", "blockwise"):
        attention.score.implementation = way
        found[way] = tf.function(with_gradient(summed), jit_compile=compile_it)(query, value)
    assert_near(found["blockwise"], found["plain"])


@on_tensorflow
@compiled
@pytest.mark.parametrize("implementation", ["auto", "blockwise"])
def test_there_may_be_nothing_to_attend_to(compile_it, implementation):
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
