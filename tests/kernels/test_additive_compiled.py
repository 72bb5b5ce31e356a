"""The kernels inside of graphs: compiled or not, of unknown sizes, in loops, and what they keep."""

import math
import re

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels import additive_reading as reading
from keras_attention.kernels.additive_scores import additive_scores
from tests.gradients import gradients

BACKEND = keras.backend.backend()
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's graphs")
compiled = pytest.mark.parametrize("compile_it", [False, True], ids=["plain", "compiled"])
BATCH, T, UNITS, WIDTH = 2, 64, 17, 3
RNG = np.random.default_rng(0)
SCALE = RNG.normal(size=UNITS).astype("float32")


def projections(batch=BATCH, queries=7, keys=5):
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


def with_gradient(function):
    """`function(query, key)` and its gradients, in TensorFlow's graph."""
    import tensorflow as tf

    def run(query, key):
        with tf.GradientTape() as tape:
            tape.watch([query, key])
            value = function(query, key)
        return value, *tape.gradient(value, [query, key])

    return run


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
def test_a_layer_of_unknown_sizes_reads_in_blocks(compile_it, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(reading, "PAIRS", 20)
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


def elements(text):
    """The sizes of all tensors in the text of a program."""
    shapes = re.findall(r"(?:f32|float32|c64)\[([\d,]+)\]", text)
    return [math.prod(map(int, shape.split(","))) for shape in shapes]


def of_graph(graph):
    """The sizes of all tensors of a graph and of the functions in it, loops' bodies among them."""
    definition = graph.as_graph_def(add_shapes=True)
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    shapes = [s for n in nodes for s in n.attr["_output_shapes"].list.shape]
    return [math.prod(d.size for d in s.dim) for s in shapes if not s.unknown_rank]


def sizes(function, *given):
    """The sizes of all tensors in `function` and its gradient, compiled and not."""
    if BACKEND == "jax":
        import jax

        return elements(str(jax.make_jaxpr(jax.value_and_grad(function, (0, 1)))(*given)))
    import tensorflow as tf

    run = with_gradient(function)
    given = list(map(tf.constant, given))
    plain = tf.function(run).get_concrete_function(*given)
    program = tf.function(run, jit_compile=True).experimental_get_compiler_ir(*given)
    return of_graph(plain.graph) + elements(program(stage="hlo"))


@pytest.mark.skipif(BACKEND == "torch", reason="has no program to look at")
def test_no_tensor_has_an_element_for_every_pair_and_unit():
    given = projections(queries=T, keys=T)
    assert max(sizes(loss(plain), *given)) >= BATCH * T * T * UNITS
    found = sizes(loss(additive_scores), *given)
    assert BATCH * T * T <= max(found) < 4 * BATCH * T * T


@pytest.mark.skipif(BACKEND == "torch", reason="has no program to look at")
def test_reading_in_blocks_no_tensor_has_an_element_for_every_pair(monkeypatch):
    monkeypatch.setattr(reading, "PAIRS", 2 * BATCH * T)
    value = np.ones((BATCH, T, WIDTH), "float32")

    def read(query, key):
        return ops.sum(reading.additive_reading(query, key, SCALE, value)[0] ** 2)

    found = sizes(read, *projections(queries=T, keys=T))
    assert 0 < max(found) < BATCH * T * T
