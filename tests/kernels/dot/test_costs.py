"""No tensor holds all weights, and blocks skip masked keys."""

import math
import re

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.kernels.dot.attention import dot_attention
from keras_attention.kernels.dot.block_layout import layout, rows_per_block
from keras_attention.kernels.dot.tensorflow.loops import BlockLoops
from keras_attention.mask.structured_mask import StructuredMask
from tests.gradients import gradients

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="these kernels are TensorFlow's"
)
LONG = 4096
CALLS = {
    "all": {},
    "causal": {"use_causal_mask": True},
    "padding": {"mask": np.arange(LONG)[None] < LONG - 9},
}


def count_pairs(length, **masks):
    """Return the number of query-key pairs that the blocks of one head compute, by running them."""
    counts = {"_attend_block": 0, "_differentiate_block": 0}

    def count(name, arguments):
        step = getattr(BlockLoops, name)

        def count_and_run(self, block, *arrays):
            query, key = (arrays[i] for i in arguments)
            counts[name] += query.shape[-2] * key.shape[-2]
            return step(self, block, *arrays)

        return count_and_run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BlockLoops, "_attend_block", count("_attend_block", (0, 1)))
        patch.setattr(BlockLoops, "_differentiate_block", count("_differentiate_block", (2, 0)))
        x = ops.ones((1, 1, length, 4))
        visible = StructuredMask(length, length, **masks)
        gradients(lambda q: ops.sum(dot_attention(q, x, x, visible)), [x])
    forward, backward = counts.values()
    assert forward == backward
    return forward


def test_causal_mask_skips_keys_above_the_diagonal():
    assert count_pairs(4096) == 4096**2
    assert count_pairs(4096, causal=True) <= 0.57 * 4096**2
    assert count_pairs(1024, causal=True) <= 0.63 * 1024**2


@pytest.mark.parametrize("length", [2048, 8192])
def test_window_computes_its_band_only(length):
    assert count_pairs(length, window=64) == length * (128 + 2 * 64)
    assert count_pairs(length, window=64, causal=True) == length * (128 + 64)


def test_layout_covers_every_query_once():
    for case in ({}, {"causal": True}, {"window": 2}, {"window": 2, "causal": True}):
        for queries, keys in ((1, 1), (7, 11), (11, 7), (600, 600), (3000, 3000)):
            visible = StructuredMask(queries, keys, **case)
            plan = layout(visible, rows_per_block(visible))
            blocks = [s.first + i for s in plan.segments for i in range(s.count)]
            assert blocks == list(range(plan.blocks))
            assert queries <= plan.blocks * plan.rows < queries + plan.rows


def max_elements(function, *arguments):
    """Return the number of elements of the largest tensor in the program before XLA compiles it."""
    import tensorflow as tf

    function = tf.function(function, jit_compile=True)
    program = function.experimental_get_compiler_ir(*arguments)(stage="hlo")
    shapes = re.findall(r"\w+\[([\d,]+)\]", program)
    return max(math.prod(map(int, shape.split(","))) for shape in shapes)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "gradient"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_no_tensor_holds_all_weights(call, backward, dropout):
    import tensorflow as tf

    def max_elements_of(implementation):
        layer = keras_attention.MultiHeadSelfAttention(
            2, 4, dropout=dropout, seed=1, implementation=implementation
        )
        layer.build((None, None, 8))
        weights = [w.value for w in layer.trainable_weights]

        def run(x):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(x, training=True, **call))
            return tape.gradient(loss, weights) if backward else loss

        return max_elements(run, tf.zeros((1, LONG, 8)))

    assert max_elements_of("auto") <= LONG * 512  # one block of one head
    if not (dropout or call or backward):
        assert max_elements_of("plain") == 2 * LONG**2
