import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AttentionPooling, normalize
from tests import reference, reference_recurrent
from tests.compile_model import compile_model
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match, only_with_float64

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(3, 7, 5)).astype("float32")
MASK = np.arange(7) < np.array([[7], [3], [0]])


def build_layer(units=2, dtype="float32", **options):
    layer = AttentionPooling(units, dtype=dtype, **options)
    layer(INPUTS)
    layer.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in layer.weights])
    return layer


def compute_expected(layer, inputs, mask):
    weights = [ops.convert_to_numpy(w).astype("float64") for w in layer.weights]
    return reference.for_each_sequence(
        lambda x, m: reference_recurrent.pooling(x, m, *weights), inputs, mask
    )


def test_matches_the_papers_formula():
    layer = build_layer()
    actual = layer(INPUTS, mask=MASK, return_attention_scores=True)
    for result, correct in zip(actual, compute_expected(layer, INPUTS, MASK), strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(result), correct, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["hardmax", "softmax", "sparsemax"])
def test_weights_are_normalized_by_the_named_function(name):
    layer = build_layer(normalize=name)
    weights = [ops.convert_to_numpy(w).astype("float64") for w in layer.weights]
    weigh = getattr(reference, name)
    expected = reference.for_each_sequence(
        lambda x, m: reference_recurrent.pooling(x, m, *weights, weigh), INPUTS, MASK
    )
    actual = layer(INPUTS, mask=MASK, return_attention_scores=True)
    for result, correct in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(result), correct, rtol=1e-5, atol=1e-5)
    assert AttentionPooling.from_config(layer.get_config()).normalize is layer.normalize


def test_config_of_an_earlier_version_uses_softmax():
    config = AttentionPooling(2).get_config()
    del config["normalize"]
    assert AttentionPooling.from_config(config).normalize is normalize.softmax


@only_with_float64
def test_matches_the_papers_formula_to_ten_digits_in_float64():
    layer, inputs = build_layer(dtype="float64"), INPUTS.astype("float64")
    actual = layer(inputs, mask=MASK, return_attention_scores=True)
    for result, correct in zip(actual, compute_expected(layer, inputs, MASK), strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(result), correct, rtol=1e-10, atol=1e-10)


def test_gradients_match_finite_differences_with_a_fully_masked_sequence():
    layer = build_layer(dtype=GRAD_DTYPE)
    factors = np.random.default_rng(2).normal(size=(3, 5)).astype(GRAD_DTYPE)

    def formula(inputs, *weights):
        pooled = [
            reference_recurrent.pooling(x, m, *weights)[0]
            for x, m in zip(inputs, MASK, strict=True)
        ]
        return np.sum(pooled * factors)

    def loss(inputs):
        return ops.sum(ops.multiply(layer(inputs, mask=MASK), factors))

    grad_inputs, *_ = assert_gradients_match(loss, formula, [INPUTS], layer.weights)
    np.testing.assert_array_equal(grad_inputs[~MASK], 0)


def test_zero_query_gives_the_mean_of_unmasked_steps():
    pooled, weights = AttentionPooling(query_initializer="zeros")(
        INPUTS, mask=MASK, return_attention_scores=True
    )
    means = [INPUTS[0].mean(0), INPUTS[1, :3].mean(0), np.zeros(5)]
    np.testing.assert_allclose(ops.convert_to_numpy(pooled), means, atol=1e-6)
    shares = MASK / np.maximum(MASK.sum(-1, keepdims=True), 1)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), shares, rtol=1e-6)


def test_documents_are_pooled_sentence_by_sentence():
    documents = RNG.normal(size=(2, 3, 7, 5)).astype("float32")
    masks = np.stack([MASK, MASK[::-1]])
    layer = build_layer()
    actual = layer(documents, mask=masks, return_attention_scores=True)
    for d in range(2):
        for result, correct in zip(
            actual, compute_expected(layer, documents[d], masks[d]), strict=True
        ):
            np.testing.assert_allclose(
                ops.convert_to_numpy(result)[d], correct, rtol=1e-5, atol=1e-5
            )


def test_document_output_has_a_mask_of_its_sentences():
    masks = np.stack([MASK, MASK[::-1]])
    actual = AttentionPooling().compute_mask(np.ones((2, 3, 7, 5)), masks)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(actual), [[True, True, False], [False, True, True]]
    )
    assert AttentionPooling().compute_mask(INPUTS, MASK) is None
    assert AttentionPooling().compute_mask(np.ones((2, 3, 7, 5))) is None


def network():
    """Yang et al. (2016), words to sentences to documents, without a TimeDistributed."""
    words = keras.Input((None, None), dtype="int32")
    x = keras.layers.Embedding(11, 5, mask_zero=True)(words)
    x = keras.layers.Dense(5, activation="tanh")(x)
    x = AttentionPooling(name="words")(x)
    x = keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True))(x)
    x = AttentionPooling(name="sentences")(x)
    return keras.Model(words, keras.layers.Dense(2, activation="softmax")(x))


def test_padding_of_words_and_sentences_does_not_change_a_hierarchical_network():
    model, documents = network(), np.random.default_rng(3).integers(1, 11, (2, 3, 7))
    documents[0, 1:, 4:] = 0
    documents[1, 2] = 0
    padded = np.pad(documents, [(0, 0), (0, 2), (0, 4)])
    np.testing.assert_allclose(
        *(ops.convert_to_numpy(model(x)) for x in (padded, documents)), atol=1e-6
    )
    unpadded = ops.convert_to_numpy(model(documents[1:, :2]))
    np.testing.assert_allclose(ops.convert_to_numpy(model(documents))[1:], unpadded, atol=1e-6)


def test_hierarchical_network_learns_to_find_a_word():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(4)
    documents = rng.integers(1, 10, (64, 3, 5)) * (rng.random((64, 3, 5)) < 0.8)
    labels = np.arange(64) % 2
    documents[1::2, 2, rng.integers(0, 5)] = 10  # the word to find, in every other document
    model = network()
    compile_model(
        model, keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(documents, labels, epochs=25, batch_size=16, verbose=0)
    assert model.evaluate(documents, labels, verbose=0)[1] > 0.95


@pytest.mark.parametrize("shape", [(3, 5), (3, 7, 5), (2, 7), (3, 1, 7)])
def test_mask_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"Expected `mask` of shape \(3, 7\). Received: mask of"):
        AttentionPooling()(INPUTS, mask=np.ones(shape, bool))


@pytest.mark.parametrize("shape", [(3,), (3, 5)])
def test_inputs_without_a_time_axis_are_refused(shape):
    with pytest.raises(ValueError, match="Expected `inputs` of shape .* Received: inputs of shape"):
        AttentionPooling()(np.ones(shape, "float32"))


def test_input_of_unknown_width_is_refused():
    with pytest.raises(ValueError, match="known width. Received: inputs of shape .*None"):
        AttentionPooling()(keras.KerasTensor((None, None, None)))


def test_dropout_drops_words_in_training_only():
    layer = build_layer(dropout=0.5, seed=3)
    plain, weights = layer(INPUTS, mask=MASK, return_attention_scores=True)
    dropped, weights_in_training = layer(
        INPUTS, mask=MASK, return_attention_scores=True, training=True
    )
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (weights, weights_in_training)))
    assert np.abs(ops.convert_to_numpy(dropped) - ops.convert_to_numpy(plain)).max() > 0.1
