"""Tensor sizes of additive attention and its gradient: none is as large as in the plain steps."""

import math
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.kernels import tuning
from keras_attention.kernels.additive.attention import additive_attention
from keras_attention.kernels.additive.scores import additive_scores
from keras_attention.mask.structured_mask import StructuredMask
from tests.gradients import with_gradient

BACKEND = keras.backend.backend()
pytestmark = pytest.mark.skipif(BACKEND == "torch", reason="PyTorch has no program to inspect")
BATCH, T, UNITS, WIDTH = 2, 64, 17, 3
RNG = np.random.default_rng(0)
QUERY, KEY = RNG.normal(size=(2, BATCH, T, UNITS)).astype("float32")
SCALE = RNG.normal(size=UNITS).astype("float32")


def compute_plain_scores(query, key, scale):
    return ops.sum(ops.tanh(query[:, :, None] + key[:, None]) * scale, axis=-1)


def make_loss(scores):
    return lambda q, k: ops.sum(ops.sin(scores(q, k, SCALE)))


def list_sizes_in_text(text):
    """Return the sizes of all tensors in the text of a program."""
    shapes = re.findall(r"(?:f32|float32|c64|s32|int32|i32|pred|bool)\[([\d,]+)\]", text)
    return [math.prod(map(int, shape.split(","))) for shape in shapes]


def list_sizes_in_graph(graph):
    """Return the sizes of all tensors of a graph and of its functions, loop bodies included."""
    definition = graph.as_graph_def(add_shapes=True)
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    shapes = [s for n in nodes for s in n.attr["_output_shapes"].list.shape]
    return [math.prod(d.size for d in s.dim) for s in shapes if not s.unknown_rank]


def list_sizes(function, *inputs):
    """Return the sizes of all tensors of a function and its gradient, compiled and not."""
    if BACKEND == "jax":
        import jax

        return list_sizes_in_text(
            str(jax.make_jaxpr(jax.value_and_grad(function, (0, 1)))(*inputs))
        )
    import tensorflow as tf

    run = with_gradient(function)
    inputs = list(map(tf.constant, inputs))
    plain = tf.function(run).get_concrete_function(*inputs)
    program = tf.function(run, jit_compile=True).experimental_get_compiler_ir(*inputs)
    return list_sizes_in_graph(plain.graph) + list_sizes_in_text(program(stage="hlo"))


def test_no_tensor_of_scores_has_an_element_for_every_pair_and_unit():
    assert max(list_sizes(make_loss(compute_plain_scores), QUERY, KEY)) >= BATCH * T * T * UNITS
    largest = max(list_sizes(make_loss(additive_scores), QUERY, KEY))
    assert BATCH * T * T <= largest < 4 * BATCH * T * T


SEEDS = RNG.integers(0, 2**31 - 1, (BATCH, T)).astype("int32")
MASK = np.arange(T) < np.array([[T], [T - 5]])
CALLS = {
    "unmasked": (None, None),
    "masked": (StructuredMask(T, T, query_mask=MASK, key_mask=MASK, causal=True), None),
    "dropout": (StructuredMask(T, T, key_mask=MASK), SEEDS),
}


@pytest.mark.parametrize(("mask", "seeds"), CALLS.values(), ids=CALLS.keys())
def test_no_tensor_of_blockwise_attention_has_an_element_for_every_pair(mask, seeds, monkeypatch):
    monkeypatch.setattr(tuning, "ADDITIVE_PAIRS_PER_BLOCK", 2 * BATCH * T)
    monkeypatch.setattr(tuning, "ADDITIVE_TERMS_PER_ITERATION", 2)
    value = np.ones((BATCH, T, WIDTH), "float32")

    def loss(query, key):
        inputs = query, key, SCALE, value, mask, seeds, 0.3
        return ops.sum(additive_attention(*inputs)[0] ** 2)

    assert 0 < max(list_sizes(loss, QUERY, KEY)) < BATCH * T * T
