import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AdditiveAttention
from tests import reference
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match, only_with_float64

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(2, 3, 5)).astype("float32")
VALUE = RNG.normal(size=(2, 7, 11)).astype("float32")
KEY = RNG.normal(size=(2, 7, 2)).astype("float32")
MASK = RNG.random((2, 3, 7)) < 0.6
MASK[0, 1] = False


def build(use_bias=False, dtype="float32", inputs=(QUERY, VALUE, KEY)):
    layer = AdditiveAttention(units=3, use_bias=use_bias, dtype=dtype)
    layer(list(inputs))
    layer.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in layer.weights])
    return layer


def formula(query, value, key, mask, weights):
    scores = reference.additive(query, key, *weights)
    return reference.attention(scores, value, mask)


def compute_expected(layer, query, value, key, mask):
    weights = [ops.convert_to_numpy(w).astype("float64") for w in layer.weights]
    return reference.for_each_sequence(lambda *x: formula(*x, weights), query, value, key, mask)


@pytest.mark.parametrize("use_bias", [False, True])
def test_output_equals_the_formula_of_the_paper(use_bias):
    layer = build(use_bias)
    results = layer([QUERY, VALUE, KEY], attention_mask=MASK, return_attention_scores=True)
    for result, correct in zip(
        results, compute_expected(layer, QUERY, VALUE, KEY, MASK), strict=True
    ):
        np.testing.assert_allclose(ops.convert_to_numpy(result), correct, rtol=1e-5, atol=1e-5)


@only_with_float64
def test_output_equals_the_formula_of_the_paper_to_ten_digits_in_float64():
    layer = build(dtype="float64")
    inputs = [x.astype("float64") for x in (QUERY, VALUE, KEY)]
    results = layer(inputs, attention_mask=MASK, return_attention_scores=True)
    for result, correct in zip(results, compute_expected(layer, *inputs, MASK), strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(result), correct, rtol=1e-10, atol=1e-10)


def test_weights_equal_those_computed_by_hand():
    layer = AdditiveAttention()
    query, value = np.array([[0.5]], "float32"), np.array([[[0.5], [-0.5]]], "float32")
    layer([query, value])
    layer.set_weights([np.ones((1, 1)), np.ones((1, 1)), np.ones(1) / math.tanh(1)])
    context, weights = layer([query, value], return_attention_scores=True)  # scores 1 and 0
    e = math.e
    np.testing.assert_allclose(ops.convert_to_numpy(weights), [[e / (1 + e), 1 / (1 + e)]], 1e-6)
    np.testing.assert_allclose(
        ops.convert_to_numpy(context), [[0.5 * (e - 1) / (1 + e)]], rtol=1e-5
    )


def test_gradients_equal_finite_differences_with_a_fully_masked_query():
    arrays = QUERY[:1], VALUE[:1, :3, :2], KEY[:1, :3]
    layer, mask = build(True, GRAD_DTYPE, arrays), MASK[:1, :, :3]
    factors = np.random.default_rng(2).normal(size=(1, 3, 2)).astype(GRAD_DTYPE)

    def loss(query, value, key):
        return ops.sum(ops.multiply(layer([query, value, key], attention_mask=mask), factors))

    def compute_loss(query, value, key, *weights):
        return np.sum(formula(query[0], value[0], key[0], mask[0], weights)[0] * factors[0])

    grad_query, *_ = assert_gradients_match(loss, compute_loss, arrays, layer.weights)
    np.testing.assert_array_equal(grad_query[0, 1], 0)


def test_permuting_the_memory_does_not_change_the_context():
    layer, order = build(), np.random.default_rng(3).permutation(7)
    permuted = layer([QUERY, VALUE[:, order], KEY[:, order]])
    np.testing.assert_allclose(
        *map(ops.convert_to_numpy, (permuted, layer([QUERY, VALUE, KEY]))), atol=1e-5
    )


def test_weights_are_in_the_documented_order():
    layer = build(use_bias=True)
    names = [(w.name, w.shape) for w in layer.weights]
    assert names == [
        ("query_kernel", (5, 3)),
        ("key_kernel", (2, 3)),
        ("scale", (3,)),
        ("bias", (3,)),
    ]


def test_layer_works_in_a_sequential_model():
    model = keras.Sequential([keras.Input((None, 5)), AdditiveAttention(units=3)])
    assert model.output_shape == (None, None, 5)
    layer = model.layers[0]
    np.testing.assert_array_equal(
        *map(ops.convert_to_numpy, (model(QUERY), layer([QUERY, QUERY, QUERY])))
    )


def test_zero_scale_as_in_the_paper_gives_uniform_weights():
    layer = AdditiveAttention(units=3, scale_initializer="zeros")
    context, weights = layer([QUERY, VALUE], return_attention_scores=True)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), 1 / 7, rtol=1e-6)
    np.testing.assert_allclose(
        ops.convert_to_numpy(context), np.repeat(VALUE.mean(1, keepdims=True), 3, 1), atol=1e-6
    )
