"""BagOfWords equals a loop over words; padding has no vector, no position and no gradient."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import BagOfWords
from tests import reference_hops
from tests.gradients import gradients

IDS = np.array([[[3, 1, 4, 0], [1, 0, 0, 0]], [[5, 2, 6, 5], [0, 0, 0, 0]]])


@pytest.mark.parametrize("length", [None, 9])
@pytest.mark.parametrize("encoding", ["authors", "paper", None])
def test_vectors_equal_a_loop(encoding, length):
    layer = BagOfWords(7, 3, encoding, length, embeddings_initializer="random_normal")
    actual = ops.convert_to_numpy(layer(IDS))
    embeddings = ops.convert_to_numpy(layer.embeddings)
    for place in np.ndindex(2, 2):
        expected = reference_hops.bag_of_words(IDS[place], embeddings, encoding, length)
        np.testing.assert_allclose(actual[place], expected, atol=1e-6)


def test_encoding_by_hand():
    # Rows are words, columns components.
    layer = BagOfWords(3, 2)
    layer.build()
    for word, expected in (([1, 2], [1.25, 0.75]), ([2, 1], [0.75, 1.25])):
        layer.embeddings.assign([[9.0, 9.0], [1.0, 1.0], [0.0, 0.0]])
        np.testing.assert_allclose(ops.convert_to_numpy(layer(np.array([word])))[0], expected)


def test_padding_row_has_no_effect_and_no_gradient():
    layer = BagOfWords(7, 3)
    layer.build()
    layer.embeddings.assign(np.concatenate([np.full((1, 3), np.nan), np.ones((6, 3))]))
    assert np.isfinite(ops.convert_to_numpy(layer(IDS))).all()
    [grad] = gradients(lambda: ops.sum(layer(IDS)), [], layer.trainable_variables)
    assert not grad[0].any()
    assert grad[1:].any(axis=-1).all()


def test_mask_marks_sentences_with_words():
    layer = BagOfWords(7, 3)
    expected = [[True, True], [True, False]]
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.compute_mask(IDS)), expected)
    assert layer.compute_mask(IDS[0]) is None


def test_logits_are_products_with_the_embeddings():
    layer = BagOfWords(7, 3)
    layer.build()
    vectors = np.random.default_rng(1).normal(size=(2, 4, 3)).astype("float32")
    expected = vectors @ ops.convert_to_numpy(layer.embeddings).T
    np.testing.assert_allclose(ops.convert_to_numpy(layer.logits(vectors)), expected, rtol=1e-5)
    symbolic = layer.logits(keras.KerasTensor((None, 3)))
    assert symbolic.shape == (None, 7)
    with pytest.raises(ValueError, match=r"`inputs` \(batch, ..., 3\) with reverse=True"):
        layer.logits(vectors[..., :2])


@pytest.mark.parametrize("ids", [np.ones((2, 3), "float32"), np.ones(3, "int32")])
def test_vectors_and_single_ids_are_refused(ids):
    with pytest.raises(ValueError, match="to be integer ids .*Received: inputs of shape"):
        BagOfWords(7, 3)(ids)


def test_sentence_of_more_than_max_length_words_is_refused():
    layer = BagOfWords(7, 3, max_length=3)
    for call in (layer, layer.compute_output_spec):
        with pytest.raises(ValueError, match=r"at most 3 words.*`max_length`.*shape \(2, 2, 4\)"):
            call(ops.convert_to_tensor(IDS))
    layer(IDS[..., :3])
    layer.logits(np.ones((2, 3), "float32"))
    assert layer(keras.Input((None,), dtype="int32")).shape == (None, 3)
