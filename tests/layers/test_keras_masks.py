"""Implicit Keras masks are used in calls with additional tensors, eager and compiled."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka

IDS = np.array([[1, 2, 3], [1, 0, 0]])
PAIRS = np.ones((2, 3, 3), bool)
BIAS = np.zeros((2, 1, 3, 3), "float32")
CALLS = {
    "attention mask of two inputs": lambda x, pairs, bias: ka.Attention()(
        [x, x], attention_mask=pairs
    ),
    "attention mask": lambda x, pairs, bias: ka.MultiHeadSelfAttention(2)(x, attention_mask=pairs),
    "bias": lambda x, pairs, bias: ka.MultiHeadSelfAttention(2)(x, attention_bias=bias),
    "block": lambda x, pairs, bias: ka.TransformerEncoderBlock(2, 8)(x, attention_mask=pairs),
}


@pytest.mark.parametrize("name", CALLS)
def test_keras_masks_are_the_same_eager_and_compiled(name):
    ids = keras.Input((3,), dtype="int32")
    pairs, bias = keras.Input((3, 3), dtype="bool"), keras.Input((1, 3, 3))
    embedding = keras.layers.Embedding(9, 4, mask_zero=True, embeddings_initializer="ones")
    model = keras.Model([ids, pairs, bias], CALLS[name](embedding(ids), pairs, bias))
    embedding.set_weights([np.random.default_rng(0).normal(size=(9, 4))])
    expected = ops.convert_to_numpy(model([IDS, PAIRS, BIAS]))
    assert not expected[1, 1:].any()
    compiled = model.predict_on_batch([IDS, PAIRS, BIAS])
    np.testing.assert_allclose(compiled, expected, rtol=1e-5, atol=1e-6)


def test_pair_mask_for_a_memory_of_batch_one_has_the_queries_batch():
    rng = np.random.default_rng(0)
    query, memory = (rng.normal(size=shape).astype("float32") for shape in ((3, 2, 4), (1, 5, 4)))
    mask = rng.random((3, 2, 5)) < 0.7
    layer = ka.Attention()
    expected = layer([query, np.repeat(memory, 3, 0)], mask=[None, mask])
    output = layer([query, memory], mask=[None, mask])
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (output, expected)), rtol=1e-6)


def test_mask_of_a_query_of_batch_one_is_broadcast_in_a_functional_model():
    query, value = keras.Input(batch_shape=(1, 3, 4)), keras.Input(batch_shape=(5, 6, 4))
    output = ka.Attention()([keras.layers.Masking()(query), value])
    assert output.shape == (5, 3, 4)
    assert ka.MultiHeadSelfAttention(2)(output).shape == (5, 3, 4)


def test_weighted_sum_broadcasts_values_of_fewer_axes():
    rng = np.random.default_rng(0)
    weights = rng.random((2, 3, 4, 5)).astype("float32")
    for shape in ((5, 6), (3, 5, 6)):
        values = rng.random(shape).astype("float32")
        output = ops.convert_to_numpy(ka.read.weighted_sum(weights, values))
        np.testing.assert_allclose(output, weights @ values, rtol=1e-5)


def test_mask_of_pairs_beside_the_value_equals_an_attention_mask():
    rng = np.random.default_rng(0)
    query, value = (rng.normal(size=(2, n, 4)).astype("float32") for n in (3, 5))
    pairs, further = (rng.random((2, 3, 5)) < 0.7 for _ in range(2))
    layer = ka.Attention()
    for options, expected_mask in (({}, pairs), ({"attention_mask": further}, pairs & further)):
        actual = layer([query, value], mask=[None, pairs], **options)
        expected = layer([query, value], attention_mask=expected_mask)
        np.testing.assert_allclose(
            ops.convert_to_numpy(actual), ops.convert_to_numpy(expected), atol=1e-6
        )
