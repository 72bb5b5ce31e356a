"""Batches of size 1 or 0, windows wider than the sequence, and layers with custom steps."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadAttention, MultiHeadSelfAttention
from keras_attention.kernels.attention import can_run_dot_blockwise
from keras_attention.layers.query_value.perturbation import Perturbation
from keras_attention.score import DotScore
from tests.kernels.dot.test_in_layers import WIDTH, X, assert_same, build_pair, small_blocks

__all__ = ["small_blocks"]
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow graphs"
)
with_and_without_xla = pytest.mark.parametrize("compile_it", [False, True], ids=["graph", "xla"])


@pytest.mark.parametrize(
    "batches, expected",
    [((2, 2), True), ((None, None), True), ((None, 2), True)]
    + [((None, 1), False), ((1, None), False), ((2, 1), False), ((0, 0), False)],
)
def test_broadcast_batches_are_left_to_the_plain_steps(batches, expected):
    query, key = (keras.KerasTensor((size, 2, 600, 4)) for size in batches)
    assert can_run_dot_blockwise(query, key, key) == expected


def create_graphs(layers, compile_it, *shapes, **call):
    """Return for each layer a `tf.function` that returns its output and the inputs' gradients."""
    import tensorflow as tf

    def function(layer):
        @tf.function(input_signature=[tf.TensorSpec(s) for s in shapes], jit_compile=compile_it)
        def run(*inputs):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                output = layer(list(inputs) if len(inputs) > 1 else inputs[0], **call)
            return output, *tape.gradient(output, inputs)

        return run

    return [function(layer) for layer in layers]


@on_tensorflow
@with_and_without_xla
@pytest.mark.parametrize("query_batch, value_batch", [(3, 1), (1, 3), (3, 3)])
def test_unknown_batch_may_be_one_at_run_time(compile_it, query_batch, value_batch):
    rng = np.random.default_rng(0)
    query, value = (
        rng.normal(size=(n, 7, WIDTH)).astype("float32") for n in (query_batch, value_batch)
    )
    layers = build_pair(MultiHeadAttention, num_key_value_heads=2)
    for batch in (None, query_batch if query_batch > 1 else None):
        shapes = (batch, None, WIDTH), (None, None, WIDTH)
        plain, blockwise = create_graphs(layers, compile_it, *shapes)
        assert_same(blockwise(query, value), plain(query, value))


@on_tensorflow
@pytest.mark.parametrize("shape", [(0, 7, WIDTH), (2, 0, WIDTH), (0, 0, WIDTH)])
@pytest.mark.parametrize("lengths", [(None, None), (None, 7)])
def test_empty_sequences_and_batches_are_accepted(shape, lengths):
    if lengths[1] not in (None, shape[1]):
        pytest.skip("the signature has another length")
    for options in ({}, {"window": 2}):
        layer = MultiHeadSelfAttention(4, 2, **options)
        layer.build((None, None, WIDTH))
        layer.implementation = "blockwise"
        (run,) = create_graphs([layer], False, (*lengths, WIDTH))
        empty = np.ones(shape, "float32")
        assert [x.shape for x in run(empty)] == [shape, shape]
        assert layer(empty).shape == shape


@on_tensorflow
@with_and_without_xla
@pytest.mark.parametrize("causal", [False, True])
def test_window_may_be_wider_than_the_sequence(compile_it, causal):
    shape, layers = (None, None, WIDTH), build_pair(window=3_000_000)
    plain, blockwise = create_graphs(layers, compile_it, shape, use_causal_mask=causal)
    assert_same(blockwise(X), plain(X))


class HalvedScore(DotScore):
    def compare(self, query, key):
        return super().compare(query, key) / 2


class UniformWeights(Perturbation):
    def __call__(self, weights, noise=None):
        return ops.ones_like(weights)


@pytest.mark.parametrize("step", ["perturbation", "normalize", "score"])
def test_custom_steps_are_evaluated_plainly(step):
    layers = build_pair(MultiHeadAttention)
    for layer in layers:
        if step == "perturbation":
            layer.perturbation = UniformWeights()
        if step == "normalize":
            layer.normalize = lambda scores, mask=None: ops.ones_like(scores)
        if step == "score":
            layer.score.__class__ = HalvedScore
    plain, blockwise = (ops.convert_to_numpy(layer(X)) for layer in layers)
    np.testing.assert_array_equal(plain, blockwise)
