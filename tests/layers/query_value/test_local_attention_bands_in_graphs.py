"""Bands in graphs whose sizes are unknown, in training, and in few digits."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import LocalAttention
from tests.gradients import gradients
from tests.layers.query_value.local_bands import BATCH, WIDTH, counted, inputs, layers, masks, numpy

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow"
)


@on_tensorflow
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", ["none", "left causal holes", "pairs"])
@pytest.mark.parametrize("score", ["dot", "concat"])
def test_unknown_sizes_become_known_in_a_graph(jit_compile, kind, score):
    import tensorflow as tf

    layer = layers(score, 4)

    specs = [tf.TensorSpec((None, None, WIDTH))] * 2 + [tf.TensorSpec((None, None), "bool")] * 2
    specs += [tf.TensorSpec((None, None, None), "bool")]

    @tf.function(jit_compile=jit_compile, input_signature=specs)
    def step(query, value, query_mask, key_mask, pairs):
        options = {"use_causal_mask": "causal" in kind}
        if kind != "none":
            options["mask"] = [query_mask, key_mask]
        if kind == "pairs":
            options["attention_mask"] = pairs
        with tf.GradientTape() as tape:
            tape.watch([query, value])
            found = layer([query, value], return_attention_scores=True, **options)
            loss = sum(tf.reduce_sum(x**2) for x in found)
        return *found, *tape.gradient(loss, [query, value])

    for lengths in [(70, 83), (3, 9), (40, 33)]:
        data, (options, real) = inputs(*lengths), masks(kind, *lengths)
        pairs = options.get("attention_mask", np.ones((BATCH, *lengths), bool))
        found = step(*data, *real, pairs)
        wanted = layer(data, return_attention_scores=True, **options)

        def loss(query, value, options=options):
            return sum(
                ops.sum(x**2)
                for x in layer([query, value], return_attention_scores=True, **options)
            )

        for got, want in zip(found, [*wanted, *gradients(loss, data)], strict=True):
            np.testing.assert_allclose(numpy(got), numpy(want), atol=1e-4)


@pytest.mark.parametrize("lengths", [(70, 83), (5, 9)])
def test_dropout_is_that_of_the_seed_and_of_each_window(lengths):
    data = inputs(*lengths)
    data[1][:] = np.eye(lengths[1], WIDTH)
    read = [
        numpy(LocalAttention(4, "monotonic", "dot", dropout=0.5, seed=seed)(data, training=True))
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(read[0], read[1])
    assert abs(read[0] - read[2]).max() > 0.1


def test_dropping_weights_of_bands_keeps_their_mean():
    layer = LocalAttention(4, "monotonic", "dot", dropout=0.5, seed=3)
    query, value = np.zeros((1, 4000, 3), "float32"), np.ones((1, 4000, 3), "float32")
    dropped, weights = layer([query, value], training=True, return_attention_scores=True)
    dropped = numpy(dropped)[0, :, 0]
    np.testing.assert_allclose(dropped.mean(), 1, atol=0.03)
    # Of nine weights 1/9 each a binomially distributed number is kept, times 2.
    np.testing.assert_allclose(dropped[4:-4].std(), 1 / 3, atol=0.03)
    np.testing.assert_allclose(numpy(weights).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "mixed_bfloat16"])
def test_low_precision_gives_the_same_in_bands(policy):
    layer, data = layers("dot", 4, dtype=policy), inputs(70, 83)
    options, (real, _) = masks("left causal holes", 70, 83)
    found = layer([100 * x for x in data], **options)
    alone = layer([100 * x for x in data], positions=counted(real), **options)
    assert keras.backend.standardize_dtype(found.dtype) == layer.compute_dtype
    found, alone = (numpy(ops.cast(x, "float32")) for x in (found, alone))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, alone, atol=1e-2, rtol=1e-2)
