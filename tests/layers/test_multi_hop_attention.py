"""MultiHopAttention equals loops over hops and places, for every tying and normalizer."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import BagOfWords, MultiHopAttention, normalize
from tests import reference_hops
from tests.reference import for_each_sequence

RNG = np.random.default_rng(0)
BATCH, PLACES, WIDTH, HOPS = 3, 4, 5, 3
QUERY = RNG.normal(size=(BATCH, WIDTH)).astype("float32")
MEMORIES = [RNG.normal(size=(BATCH, PLACES, WIDTH)).astype("float32") for _ in range(HOPS + 1)]
MASK = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]], bool)
MASKS = [None, None, MASK, None, None]  # a mask of one memory masks the place in all


def to_numpy(*tensors):
    return [ops.convert_to_numpy(x) for x in tensors]


def test_one_hop_by_hand():
    # Scores 0 and log 3, so weights 1/4 and 3/4.
    query, keys = np.array([[np.log(3.0), 0.0]]), np.array([[[0.0, 7.0], [1.0, 5.0]]])
    values = np.array([[[4.0, 0.0], [8.0, 4.0]]])
    output, weights = MultiHopAttention(1)([query, keys, values], return_attention_scores=True)
    np.testing.assert_allclose(*to_numpy(weights), [[[0.25, 0.75]]], atol=1e-6)
    np.testing.assert_allclose(*to_numpy(output), [[7 + np.log(3.0), 3.0]], atol=1e-6)


@pytest.mark.parametrize("name", ["softmax", "linear"])
def test_adjacent_hops_equal_loops(name):
    layer = MultiHopAttention(HOPS, normalize=name)
    actual = layer([QUERY, *MEMORIES], mask=MASKS, return_attention_scores=True)
    formula = {"softmax": reference_hops.softmax, "linear": reference_hops.linear}[name]
    expected = for_each_sequence(
        lambda query, *rest: reference_hops.adjacent(query, rest[:-1], rest[-1], formula),
        *(QUERY.astype("float64"), *MEMORIES, MASK),
    )
    for array, expected_array in zip(to_numpy(*actual), expected, strict=True):
        np.testing.assert_allclose(array, expected_array, rtol=1e-4, atol=1e-4)
    assert not layer.weights


def test_layer_wise_hops_equal_loops():
    layer = MultiHopAttention(2, "layer_wise", hop_activation="relu")
    inputs, masks = [QUERY, *MEMORIES[:2]], [None, MASK, None]
    actual = layer(inputs, mask=masks, return_attention_scores=True)
    [matrix] = to_numpy(*layer.weights)
    expected = for_each_sequence(
        lambda *rows: reference_hops.layer_wise(*rows, matrix, 2, lambda x: np.maximum(x, 0)),
        *(*inputs, MASK),
    )
    for array, expected_array in zip(to_numpy(*actual), expected, strict=True):
        np.testing.assert_allclose(array, expected_array, rtol=1e-5, atol=1e-5)


def test_layer_wise_with_the_identity_equals_adjacent_for_one_hop():
    inputs = [QUERY, *MEMORIES[:2]]
    layer_wise = MultiHopAttention(1, "layer_wise", kernel_initializer="identity")
    np.testing.assert_allclose(*to_numpy(layer_wise(inputs), MultiHopAttention(1)(inputs)))


def test_several_queries_equal_single_ones():
    queries = RNG.normal(size=(BATCH, 2, WIDTH)).astype("float32")
    layer = MultiHopAttention(HOPS)
    masks = [np.array([[1, 1], [1, 0], [1, 1]], bool), MASK, None, None, None]
    output, weights = to_numpy(
        *layer([queries, *MEMORIES], mask=masks, return_attention_scores=True)
    )
    assert weights.shape == (BATCH, HOPS, 2, PLACES)
    for place in range(2):
        single = [masks[0][:, place], *masks[1:]]
        expected, expected_weights = to_numpy(
            *layer([queries[:, place], *MEMORIES], mask=single, return_attention_scores=True)
        )
        np.testing.assert_allclose(output[:, place], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(weights[:, :, place], expected_weights, atol=1e-6)
    assert not output[1, 1].any()


def test_one_memory_serves_every_query():
    layer = MultiHopAttention(2)
    memory = MEMORIES[0][:1]
    expected = layer([QUERY, *[np.repeat(memory, BATCH, axis=0)] * 3])
    np.testing.assert_allclose(*to_numpy(layer([QUERY, *[memory] * 3]), expected), atol=1e-6)


def make_model(encoding="authors", score="dot", **options):
    """Make a model of ids that shares embeddings in adjacent tying; it returns logits, weights."""
    statements = keras.Input((None, None), dtype="int32", name="statements")
    question = keras.Input((None,), dtype="int32", name="question")
    bags = [BagOfWords(9, 4, encoding) for _ in range(3)]
    hops = MultiHopAttention(2, score=score, **options)
    state, weights = hops(
        [bags[0](question), *(bag(statements) for bag in bags)], return_attention_scores=True
    )
    return keras.Model([statements, question], [bags[-1].logits(state), weights])


@pytest.mark.parametrize("encoding", ["authors", "paper", None])
def test_padding_words_and_statements_change_nothing(encoding, tmp_path):
    statements, question = RNG.integers(1, 9, size=(2, 3, 4)), RNG.integers(1, 9, size=(2, 3))
    statements[0, 1, 2:] = statements[1, 2] = 0
    model = make_model(encoding)
    logits, weights = to_numpy(*model([statements, question]))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    padded = np.pad(statements, [(0, 0), (0, 2), (0, 3)]), np.pad(question, [(0, 0), (0, 1)])
    for m in (model, loaded):
        padded_logits, padded_weights = to_numpy(*m(padded))
        np.testing.assert_allclose(padded_logits, logits, atol=1e-6)
        np.testing.assert_allclose(padded_weights[..., :3], weights, atol=1e-6)
        assert not padded_weights[..., 3:].any()
    np.testing.assert_allclose(weights.sum(axis=-1), np.ones((2, 2)), atol=1e-6)
    assert logits.shape == (2, 9)


def test_linear_start_shares_the_weights_of_the_model():
    question, facts = keras.Input((4,)), keras.Input((None, 4))
    embed = keras.layers.Dense(4)
    models = [
        keras.Model([question, facts], MultiHopAttention(1, normalize=name)([question, *[x] * 2]))
        for x in [embed(facts)]
        for name in ("linear", "softmax")
    ]
    assert models[0].weights == models[1].weights
    assert normalize.linear is models[0].layers[-1].attention.normalize


@pytest.mark.parametrize(
    ("options", "count"), [({}, 3), ({"hops": 2}, 4), ({"tying": "layer_wise"}, 3)]
)
def test_wrong_number_of_memories_is_refused(options, count):
    with pytest.raises(ValueError, match=r"list \[query, \*memories\] with . memories for hops="):
        MultiHopAttention(**options)([QUERY, *MEMORIES[:1] * count])


def test_memories_of_another_width_are_refused():
    with pytest.raises(ValueError, match="query's width, .* Received: query"):
        MultiHopAttention(1, score="general")([QUERY, MEMORIES[0], MEMORIES[0][..., :2]])


@pytest.mark.parametrize("mask", [MASK, [None, MASK], {"query": None}])
def test_mask_must_be_a_list_of_one_mask_for_each_input(mask):
    with pytest.raises(ValueError, match="Expected `mask` to be a list of 3 masks"):
        MultiHopAttention(1)([QUERY, *MEMORIES[:2]], mask=mask)
