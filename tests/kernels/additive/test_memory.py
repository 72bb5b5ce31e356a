"""No tensor of the programs, forward and gradient, is as large as what the plain steps make."""

import math
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.kernels.additive import attention as reading
from keras_attention.kernels.additive.scores import additive_scores
from keras_attention.mask.structured_mask import StructuredMask
from tests.gradients import with_gradient

BACKEND = keras.backend.backend()
pytestmark = pytest.mark.skipif(BACKEND == "torch", reason="has no program to look at")
BATCH, T, UNITS, WIDTH = 2, 64, 17, 3
RNG = np.random.default_rng(0)
QUERY, KEY = RNG.normal(size=(2, BATCH, T, UNITS)).astype("float32")
SCALE = RNG.normal(size=UNITS).astype("float32")


def plain(query, key, scale):
    return ops.sum(ops.tanh(query[:, :, None] + key[:, None]) * scale, axis=-1)


def loss(scores):
    return lambda q, k: ops.sum(ops.sin(scores(q, k, SCALE)))


def elements(text):
    """The sizes of all tensors in the text of a program."""
    shapes = re.findall(r"(?:f32|float32|c64|s32|int32|i32|pred|bool)\[([\d,]+)\]", text)
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


def test_no_tensor_has_an_element_for_every_pair_and_unit():
    given = QUERY, KEY
    assert max(sizes(loss(plain), *given)) >= BATCH * T * T * UNITS
    found = sizes(loss(additive_scores), *given)
    assert BATCH * T * T <= max(found) < 4 * BATCH * T * T


SEEDS = RNG.integers(0, 2**31 - 1, (BATCH, T)).astype("int32")
MASK = np.arange(T) < np.array([[T], [T - 5]])
CALLS = {
    "all": (None, None),
    "masked": (StructuredMask(T, T, query_mask=MASK, key_mask=MASK, causal=True), None),
    "dropped": (StructuredMask(T, T, key_mask=MASK), SEEDS),
}


@pytest.mark.parametrize(("visible", "seeds"), CALLS.values(), ids=CALLS.keys())
def test_reading_in_blocks_no_tensor_has_an_element_for_every_pair(visible, seeds, monkeypatch):
    monkeypatch.setattr(reading, "PAIRS", 2 * BATCH * T)
    monkeypatch.setattr(reading, "TERMS", 1)
    value = np.ones((BATCH, T, WIDTH), "float32")

    def read(query, key):
        given = query, key, SCALE, value, visible, seeds, 0.3
        return ops.sum(reading.additive_reading(*given)[0] ** 2)

    found = sizes(read, QUERY, KEY)
    assert 0 < max(found) < BATCH * T * T
