import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import HardAttention, export
from keras_attention.export.checks.graph import load_meta_graph
from keras_attention.layers.reinforce.reinforce import is_credit
from tests import reference

BATCH, QUERIES, KEYS, WIDTH, VALUES = 11, 3, 5, 2, 7
RNG = np.random.default_rng(0)
QUERY, KEY, VALUE = (
    RNG.normal(size=(BATCH, *shape)).astype("float32")
    for shape in [(QUERIES, WIDTH), (KEYS, WIDTH), (KEYS, VALUES)]
)
DATA = [QUERY, VALUE, KEY]


def numpy(x):
    return ops.convert_to_numpy(x)


def classify_contexts(contexts):
    """Return masks of contexts: those that are the expectation, and those equal to one value.

    The shapes are (batch, queries) and (batch, queries, keys).
    """
    is_hard = (contexts[:, :, None] == VALUE[:, None]).all(-1)
    expectation = reference.for_each_sequence(
        lambda q, v, k: reference.attention(reference.dot(q, k), v)[0], *DATA
    )
    return np.isclose(contexts, expectation, atol=1e-5).all(-1), is_hard


@pytest.mark.parametrize("estimator", ["reinforce", "straight_through"])
def test_training_samples_another_value_at_each_call(estimator):
    layer = HardAttention("dot", estimator, expectation_rate=0.0, seed=1)
    contexts = [numpy(layer(DATA, training=True)) for _ in range(3)]
    chosen = [classify_contexts(x)[1] for x in contexts]
    for item in chosen:
        np.testing.assert_array_equal(item.sum(-1), 1)
    assert (chosen[0] != chosen[1]).any()
    assert (chosen[1] != chosen[2]).any()


def test_expectation_is_chosen_for_whole_examples():
    layer, is_soft = HardAttention("dot", seed=1), []
    for _ in range(30):
        soft, is_hard = classify_contexts(numpy(layer(DATA, training=True)))
        np.testing.assert_array_equal(soft, ~is_hard.any(-1))
        assert (soft == soft[:, :1]).all()
        is_soft.append(soft[:, 0])
    assert 0.4 < np.mean(is_soft) < 0.6  # 330 examples: 3.6 standard errors
    assert (np.mean(is_soft, axis=0) % 1 > 0).all()


def test_inference_uses_mode_or_expectation_and_samples_nothing():
    mode, expectation = HardAttention("dot"), HardAttention("dot", inference="expectation")
    best = reference.for_each_sequence(lambda q, k: reference.dot(q, k), QUERY, KEY).argmax(-1)
    np.testing.assert_array_equal(numpy(mode(DATA)), np.take_along_axis(VALUE, best[..., None], 1))
    assert classify_contexts(numpy(expectation(DATA)))[0].all()
    for layer in (mode, expectation):
        before = numpy(layer.seed_generator.state.value)
        np.testing.assert_array_equal(numpy(layer(DATA)), numpy(layer(DATA)))
        np.testing.assert_array_equal(numpy(layer.seed_generator.state.value), before)


@pytest.mark.parametrize("estimator", ["reinforce", "straight_through", "gumbel"])
def test_returned_weights_are_the_probabilities_in_training_too(estimator):
    layer = HardAttention("dot", estimator)
    _, trained = layer(DATA, training=True, return_attention_scores=True)
    expected = reference.for_each_sequence(
        lambda q, k: [reference.softmax(row) for row in reference.dot(q, k)], QUERY, KEY
    )
    np.testing.assert_allclose(numpy(trained), expected, atol=1e-5)


def test_sampling_loss_does_not_change_an_ordinary_model():
    inputs = [keras.Input((None, WIDTH)), keras.Input((None, WIDTH))]
    outputs = keras.layers.Dense(1)(HardAttention(seed=2)(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse", jit_compile=keras.backend.backend() != "torch")
    history = model.fit([QUERY, KEY], np.ones((BATCH, QUERIES, 1)), epochs=3, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    model([QUERY, KEY], training=True)
    [loss] = model.losses
    assert is_credit(loss)
    assert not numpy(loss).any()
    model([QUERY, KEY])
    assert not model.losses


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's")
def test_exported_model_samples_nothing(tmp_path):
    inputs = [keras.Input((None, WIDTH), name="query"), keras.Input((None, WIDTH), name="value")]
    model = keras.Model(inputs, HardAttention()(inputs))
    path = export.saved_model(model, tmp_path / "hard")
    graph = load_meta_graph(path).graph_def
    nodes = [*graph.node, *(n for function in graph.library.function for n in function.node_def)]
    assert any("TopK" in node.op for node in nodes)
    assert not [node.op for node in nodes if "Random" in node.op or "RNG" in node.op.upper()]
    results = export.run_in_c_loader(path, "serving_default", {"query": QUERY, "value": KEY})
    np.testing.assert_allclose(results["output"], model([QUERY, KEY]), atol=1e-6)
