import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import Attention
from tests import reference
from tests.finite_differences import GRAD_DTYPE
from tests.score.score_rows import BATCH, KEYS, QUERIES, ROWS

WEIGH = {
    "softmax": reference.softmax,
    "sparsemax": reference.sparsemax,
    "hardmax": reference.hardmax,
}
VALUES = np.random.default_rng(5).normal(size=(BATCH, KEYS, 2)).astype("float32")
MASK = np.random.default_rng(6).random((BATCH, QUERIES, KEYS)) < 0.6
MASK[0, 0] = False


@keras.saving.register_keras_serializable(package="tests")
class NegativeDistance(keras_attention.score.Score):
    def compare(self, query, key):
        difference = query[..., :, None, :] - key[..., None, :, :]
        return -ops.sum(difference**2, axis=-1)


@keras.saving.register_keras_serializable(package="tests")
@keras_attention.normalize.masked
def squared_softmax(scores):
    weights = ops.exp(2 * (scores - ops.max(scores, axis=-1, keepdims=True)))
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def numpy(nest):
    return keras.tree.map_structure(ops.convert_to_numpy, nest)


@pytest.mark.parametrize("normalize", WEIGH)
@pytest.mark.parametrize("name", ROWS)
def test_every_score_and_normalizer_give_the_context_and_weights_of_the_formula(name, normalize):
    row = ROWS[name]
    score, (query, key) = row.build(), row.arrays()
    results = Attention(score, normalize)(
        [query, VALUES, key], attention_mask=MASK, return_attention_scores=True
    )
    scores = row.compute_expected(score, query, key)
    expected = reference.for_each_sequence(
        lambda *x: reference.attention(*x, WEIGH[normalize]), scores, VALUES, MASK
    )
    for result, correct in zip(numpy(results), expected, strict=True):
        np.testing.assert_allclose(result, correct, rtol=1e-5, atol=2e-5)


def test_names_and_objects_are_equivalent():
    query, key = ROWS["scaled_dot"].arrays()
    by_name = Attention("scaled_dot", "sparsemax")([query, key])
    by_object = Attention(
        keras_attention.score.DotScore(scaled=True), keras_attention.normalize.sparsemax
    )([query, key])
    np.testing.assert_array_equal(*numpy([by_name, by_object]))


def test_custom_score_and_normalizer_are_used():
    query, key = ROWS["dot"].arrays()
    layer = Attention(NegativeDistance(), squared_softmax)
    results = layer([query, key], attention_mask=MASK, return_attention_scores=True)

    def distance(query, key):
        return -2 * reference.score_pairs(
            lambda q, k: sum((a - b) ** 2 for a, b in zip(q, k, strict=True)), query, key
        )

    scores = reference.for_each_sequence(distance, query, key)
    expected = reference.for_each_sequence(reference.attention, scores, key, MASK)
    for result, correct in zip(numpy(results), expected, strict=True):
        np.testing.assert_allclose(result, correct, atol=1e-5)


def test_custom_score_and_normalizer_are_saved_and_loaded(tmp_path):
    query, value = keras.Input((None, 5)), keras.Input((None, 5))
    layer = Attention(NegativeDistance(), squared_softmax)
    model = keras.Model([query, value], layer([query, value], return_attention_scores=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    arrays = list(ROWS["dot"].arrays())
    np.testing.assert_array_equal(*(numpy(m(arrays))[1] for m in (model, loaded)))
    (loaded_layer,) = (x for x in loaded.layers if isinstance(x, Attention))
    assert (type(loaded_layer.score), loaded_layer.normalize) == (NegativeDistance, squared_softmax)


def test_two_layers_can_share_a_score():
    row = ROWS["general"]
    query, key = row.arrays()
    score = row.make()
    layers = [Attention(score), Attention(score, "softmax")]
    first, second = (numpy(layer([query, key])) for layer in layers)
    np.testing.assert_array_equal(first, second)
    assert layers[0].weights[0] is layers[1].weights[0]


def test_dropout_acts_on_the_context_in_training_only():
    query, key = ROWS["dot"].arrays()
    layer = Attention(dropout=0.5, seed=3)
    context, weights = numpy(layer([query, key], return_attention_scores=True))
    with_dropout, same_weights = numpy(
        layer([query, key], return_attention_scores=True, training=True)
    )
    np.testing.assert_array_equal(same_weights, weights)
    assert np.abs(with_dropout - context).max() > 0.1
    samples = [numpy(layer([query, key], training=True)) for _ in range(400)]
    np.testing.assert_allclose(np.mean(samples, 0), context, atol=0.3)
    assert np.std(samples, 0).max() > 0.1


@pytest.mark.parametrize("dtype", ["float16", "mixed_bfloat16", GRAD_DTYPE])
def test_dropout_works_in_every_precision(dtype):
    query, key = ROWS["dot"].arrays()
    layer = Attention(dropout=0.5, dtype=dtype)
    context = layer([query, key], training=True)
    assert keras.backend.standardize_dtype(context.dtype) == layer.compute_dtype


@pytest.mark.parametrize("name", ["dot_with_scale", "cosine", "additive_with_bias"])
def test_score_can_have_another_precision_than_the_layer(name):
    row = ROWS[name]
    query, key = row.arrays()
    score = row.build()
    expected = numpy(Attention(score, dtype=GRAD_DTYPE)([query, key]))
    np.testing.assert_allclose(expected, numpy(Attention(score)([query, key])), atol=1e-5)


def test_single_key_gets_weight_one_without_a_warning():
    query, key = (x[:, :1] for x in ROWS["dot"].arrays())
    np.testing.assert_allclose(numpy(Attention()([query, key])), key, atol=1e-6)
    masked = Attention()([query, key], mask=[None, np.zeros((BATCH, 1), bool)])
    np.testing.assert_array_equal(numpy(masked), 0)
