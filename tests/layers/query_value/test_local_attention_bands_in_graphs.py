"""Banded local attention in graphs of unknown sizes, with dropout and in half precision."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import LocalAttention
from tests.gradients import gradients
from tests.layers.query_value.local_bands import (
    BATCH,
    WIDTH,
    build_layer,
    count_positions,
    make_masks,
    numpy,
    sample_inputs,
)

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow graphs"
)


@on_tensorflow
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", ["none", "left causal holes", "pairs"])
@pytest.mark.parametrize("score", ["dot", "concat"])
def test_graph_with_unknown_sizes_equals_eager(jit_compile, kind, score):
    import tensorflow as tf

    layer = build_layer(score, 4)

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
            results = layer([query, value], return_attention_scores=True, **options)
            loss = sum(tf.reduce_sum(x**2) for x in results)
        return *results, *tape.gradient(loss, [query, value])

    for lengths in [(70, 83), (3, 9), (40, 33)]:
        data, (options, masks) = sample_inputs(*lengths), make_masks(kind, *lengths)
        pairs = options.get("attention_mask", np.ones((BATCH, *lengths), bool))
        results = step(*data, *masks, pairs)
        expected = layer(data, return_attention_scores=True, **options)

        def loss(query, value, options=options):
            return sum(
                ops.sum(x**2)
                for x in layer([query, value], return_attention_scores=True, **options)
            )

        for result, correct in zip(results, [*expected, *gradients(loss, data)], strict=True):
            np.testing.assert_allclose(numpy(result), numpy(correct), atol=1e-4)


@pytest.mark.parametrize("lengths", [(70, 83), (5, 9)])
def test_dropout_depends_on_the_seed_and_the_window(lengths):
    data = sample_inputs(*lengths)
    data[1][:] = np.eye(lengths[1], WIDTH)
    outputs = [
        numpy(LocalAttention(4, "monotonic", "dot", dropout=0.5, seed=seed)(data, training=True))
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert abs(outputs[0] - outputs[2]).max() > 0.1


def test_dropout_in_bands_keeps_the_mean():
    layer = LocalAttention(4, "monotonic", "dot", dropout=0.5, seed=3)
    query, value = np.zeros((1, 4000, 3), "float32"), np.ones((1, 4000, 3), "float32")
    dropped, weights = layer([query, value], training=True, return_attention_scores=True)
    dropped = numpy(dropped)[0, :, 0]
    np.testing.assert_allclose(dropped.mean(), 1, atol=0.03)
    # Of nine weights of 1/9 a binomially distributed number is kept, and doubled.
    np.testing.assert_allclose(dropped[4:-4].std(), 1 / 3, atol=0.03)
    np.testing.assert_allclose(numpy(weights).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "mixed_bfloat16"])
def test_bands_equal_single_queries_in_half_precision(policy):
    layer, data = build_layer("dot", 4, dtype=policy), sample_inputs(70, 83)
    options, (query_mask, _) = make_masks("left causal holes", 70, 83)
    results = layer([100 * x for x in data], **options)
    expected = layer([100 * x for x in data], positions=count_positions(query_mask), **options)
    assert keras.backend.standardize_dtype(results.dtype) == layer.compute_dtype
    results, expected = (numpy(ops.cast(x, "float32")) for x in (results, expected))
    assert np.isfinite(results).all()
    np.testing.assert_allclose(results, expected, atol=1e-2, rtol=1e-2)
