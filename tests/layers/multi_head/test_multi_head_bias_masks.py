"""A bias of -inf acts as a mask, with equal outputs and gradients, in every implementation."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import gradients
from tests.layers.multi_head.multi_head_formulas import KEY, MASK, QUERY, VALUE
from tests.layers.multi_head.test_multi_head_bias import (
    FULL,
    MODES,
    build,
    build_self_attention,
    every_mode,
    numpy,
    sample,
    small_blocks,
)

__all__ = ["small_blocks"]
INPUTS = [QUERY, VALUE, KEY]
VISIBLE = np.random.default_rng(5).random((2, 3, 7)) < 0.6
VISIBLE[0, 1] = VISIBLE[1, :, 2] = False  # a fully masked query, and a key masked for all queries


def mask_by_bias(bias, visible):
    return np.where(visible, bias, np.float32(-np.inf))


def evaluate(layer, inputs, bias, **call):
    """Return output, weights, and the gradients of inputs, bias and the layer's weights."""

    def loss(query, value, key, bias):
        output = layer([query, value, key], attention_bias=bias, **call)
        return ops.sum(ops.sin(output))

    call_results = layer(inputs, attention_bias=bias, return_attention_scores=True, **call)
    actual = gradients(loss, [*inputs, bias], layer.trainable_variables)
    return [*map(numpy, call_results), *actual]


def assert_same(actual, expected):
    for result, correct in zip(actual, expected, strict=True):
        np.testing.assert_allclose(result, correct, rtol=1e-4, atol=1e-5)


@every_mode
@pytest.mark.parametrize("mask", [None, MASK], ids=["bias", "bias_and_mask"])
def test_minus_infinity_for_all_heads_equals_a_mask(mode, mask):
    layer, bias = build(mode), sample((1, 4, 3, 7))
    combined = VISIBLE if mask is None else VISIBLE & mask
    expected = evaluate(layer, INPUTS, np.repeat(bias, 2, axis=0), attention_mask=combined)
    bias = mask_by_bias(bias, VISIBLE[:, None])
    assert_same(evaluate(layer, INPUTS, bias, attention_mask=mask), expected)
    np.testing.assert_array_equal(expected[0][0, 1], 0)
    # Queries and keys that are masked in all heads may be NaN, as with a mask.
    query, value, key = (x.copy() for x in INPUTS)
    query[0, 1] = value[1, 2] = key[1, 2] = np.nan
    assert_same(evaluate(layer, [query, value, key], bias, attention_mask=mask), expected)


@pytest.mark.parametrize("shape", [(7,), (4, 1, 7), (3, 1), (1, 4, 1, 7)], ids=str)
@pytest.mark.parametrize("causal", [False, True])
def test_minus_infinity_in_a_broadcast_bias_equals_a_mask(shape, causal):
    bias = sample(shape)
    visible = np.ones((3, 1) if shape == (3, 1) else (1, 7), bool)
    visible.ravel()[:2] = False
    call = {"use_causal_mask": causal}
    layers = [build(mode) for mode in MODES]
    expected = evaluate(layers[0], INPUTS, bias, attention_mask=visible, **call)
    bias = mask_by_bias(bias, visible[0] if shape == (7,) else visible)
    for layer in layers:
        assert_same(evaluate(layer, INPUTS, bias, **call), expected)


def test_query_may_be_masked_in_one_head_only():
    bias = mask_by_bias(sample(FULL), np.random.default_rng(6).random(FULL) < 0.7)
    bias[0, 1, 2] = bias[1, 3] = -np.inf  # a query in one head, all queries in another
    bias[1, 0][:, MASK[1].any(0)] = -np.inf  # all keys that the mask leaves visible
    results = [evaluate(build(mode), INPUTS, bias, attention_mask=MASK) for mode in MODES]
    assert_same(results[1], results[0])
    _, weights, *grads = results[0]
    np.testing.assert_array_equal(weights[np.isinf(bias)], 0)
    np.testing.assert_array_equal(grads[3][np.isinf(bias)], 0)
    for row in (weights[0, 1, 2], weights[1, 3], weights[1, 0]):
        np.testing.assert_array_equal(row, 0)
    assert weights[0, 0].any() and all(np.isfinite(grad).all() for grad in grads)


@every_mode
def test_minus_infinity_masks_a_single_query_and_cached_keys(mode):
    layer = build(mode)
    output = layer([QUERY[:, 0], VALUE, KEY], attention_bias=np.full((4, 7), -np.inf, "float32"))
    np.testing.assert_array_equal(numpy(output), 0)
    layer = build_self_attention(mode)
    bias = mask_by_bias(np.zeros((3, 9), "float32"), np.arange(3)[:, None] != 1)
    x = sample((2, 3, 5))
    output, _ = layer(x, cache=layer.get_initial_cache(2, 9), attention_bias=bias)
    np.testing.assert_array_equal(numpy(output)[:, 1], 0)
    assert np.abs(numpy(output)[:, [0, 2]]).max() > 0.01


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.function needs TensorFlow")
def test_plain_and_blockwise_are_equal_under_xla():
    import tensorflow as tf

    bias = mask_by_bias(sample(FULL), np.random.default_rng(6).random(FULL) < 0.7)
    bias[0, 1, 2] = bias[1, 3] = bias[0, :, 0] = -np.inf
    results = []
    for mode in MODES:
        layer = build(mode)

        @tf.function(jit_compile=True)
        def run(query, bias, layer=layer):
            with tf.GradientTape() as tape:
                tape.watch([query, bias])
                output = layer([query, VALUE, KEY], attention_bias=bias)
                loss = tf.reduce_sum(tf.sin(output))
            return [output, *tape.gradient(loss, [query, bias, *layer.trainable_variables])]

        results.append([x.numpy() for x in run(tf.constant(QUERY), tf.constant(bias))])
    assert_same(results[1], results[0])
    np.testing.assert_array_equal(results[0][0][0, 0], 0)
