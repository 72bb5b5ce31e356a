import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AdditiveAttention
from tests import reference
from tests.finite_differences import FINEST, assert_gradients_are_differences, only_with_float64

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(2, 3, 5)).astype("float32")
VALUE = RNG.normal(size=(2, 7, 11)).astype("float32")
KEY = RNG.normal(size=(2, 7, 2)).astype("float32")
MASK = RNG.random((2, 3, 7)) < 0.6
MASK[0, 1] = False


def built(use_bias=False, dtype="float32", inputs=(QUERY, VALUE, KEY)):
    layer = AdditiveAttention(units=3, use_bias=use_bias, dtype=dtype)
    layer(list(inputs))
    layer.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in layer.weights])
    return layer


def formula(query, value, key, mask, weights):
    scores = reference.additive(query, key, *weights)
    return reference.attention(scores, value, mask)


def expected(layer, query, value, key, mask):
    weights = [ops.convert_to_numpy(w).astype("float64") for w in layer.weights]
    return reference.each(lambda *x: formula(*x, weights), query, value, key, mask)


@pytest.mark.parametrize("use_bias", [False, True])
def test_it_is_the_papers_formula(use_bias):
    layer = built(use_bias)
    found = layer([QUERY, VALUE, KEY], attention_mask=MASK, return_attention_scores=True)
    for got, want in zip(found, expected(layer, QUERY, VALUE, KEY, MASK), strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(got), want, rtol=1e-5, atol=1e-5)


@only_with_float64
def test_it_is_the_papers_formula_to_ten_digits_in_float64():
    layer = built(dtype="float64")
    inputs = [x.astype("float64") for x in (QUERY, VALUE, KEY)]
    found = layer(inputs, attention_mask=MASK, return_attention_scores=True)
    for got, want in zip(found, expected(layer, *inputs, MASK), strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(got), want, rtol=1e-10, atol=1e-10)


def test_weights_by_hand():
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


def test_its_gradients_are_differences_with_a_query_that_sees_nothing():
    arrays = QUERY[:1], VALUE[:1, :3, :2], KEY[:1, :3]
    layer, mask = built(True, FINEST, arrays), MASK[:1, :, :3]
    factors = np.random.default_rng(2).normal(size=(1, 3, 2)).astype(FINEST)

    def loss(query, value, key):
        return ops.sum(ops.multiply(layer([query, value, key], attention_mask=mask), factors))

    def written_out(query, value, key, *weights):
        return np.sum(formula(query[0], value[0], key[0], mask[0], weights)[0] * factors[0])

    of_query, *_ = assert_gradients_are_differences(loss, written_out, arrays, layer.weights)
    np.testing.assert_array_equal(of_query[0, 1], 0)


def test_a_permutation_of_the_memory_changes_no_context():
    layer, order = built(), np.random.default_rng(3).permutation(7)
    permuted = layer([QUERY, VALUE[:, order], KEY[:, order]])
    np.testing.assert_allclose(
        *map(ops.convert_to_numpy, (permuted, layer([QUERY, VALUE, KEY]))), atol=1e-5
    )


def test_its_weights_stand_in_the_documented_order():
    layer = built(use_bias=True)
    names = [(w.name, w.shape) for w in layer.weights]
    assert names == [
        ("query_kernel", (5, 3)),
        ("key_kernel", (2, 3)),
        ("scale", (3,)),
        ("bias", (3,)),
    ]


def test_it_stacks_in_a_sequential_model():
    model = keras.Sequential([keras.Input((None, 5)), AdditiveAttention(units=3)])
    assert model.output_shape == (None, None, 5)
    layer = model.layers[0]
    np.testing.assert_array_equal(
        *map(ops.convert_to_numpy, (model(QUERY), layer([QUERY, QUERY, QUERY])))
    )


def test_the_papers_start_sees_all_words_alike():
    layer = AdditiveAttention(units=3, scale_initializer="zeros")
    context, weights = layer([QUERY, VALUE], return_attention_scores=True)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), 1 / 7, rtol=1e-6)
    np.testing.assert_allclose(
        ops.convert_to_numpy(context), np.repeat(VALUE.mean(1, keepdims=True), 3, 1), atol=1e-6
    )
