"""What a LocalAttention computes. Where it looks: test_local_attention_places.py."""

import numpy as np
import pytest
from keras import ops

from keras_attention import LuongAttention
from tests.finite_differences import FINEST, assert_gradients_are_differences
from tests.layers.query_value.local_formulas import (
    ALIGNMENTS,
    KEY_MASK,
    KEYS,
    QUERIES,
    QUERY,
    SCORES,
    VALUE,
    WIDTH,
    assert_close,
    built,
    expected,
    formula,
    numpy,
    pairs,
)

every_alignment = pytest.mark.parametrize("alignment", ALIGNMENTS)
every_score = pytest.mark.parametrize("score", SCORES)
MASK = pairs() & (np.random.default_rng(2).random((len(QUERY), QUERIES, KEYS)) < 0.8)


@every_alignment
@every_score
@pytest.mark.parametrize("units", [None, 2])
@pytest.mark.parametrize("window", [1, 2, 5])
def test_it_is_the_papers_formula(alignment, score, units, window):
    layer = built(alignment, score, window, units=units)
    found = layer([QUERY, VALUE], mask=[None, KEY_MASK], return_attention_scores=True)
    assert found[0].shape == (len(QUERY), QUERIES, units or WIDTH)
    assert_close(found, expected(layer))


@every_alignment
@every_score
def test_any_mask_of_pairs_holds_inside_the_window(alignment, score):
    layer = built(alignment, score)
    found = layer([QUERY, VALUE], attention_mask=MASK, return_attention_scores=True)
    assert_close(found, expected(layer, mask=MASK))


@every_alignment
def test_the_causal_mask_holds_inside_the_window(alignment):
    layer, causal = built(alignment), np.tri(QUERIES, KEYS, KEYS - QUERIES, bool)
    options = {"use_causal_mask": True, "return_attention_scores": True}
    mask = np.repeat(causal[None], len(QUERY), 0)
    assert_close(layer([QUERY, VALUE], **options), expected(layer, mask=mask))
    found = layer([QUERY, VALUE], mask=[None, KEY_MASK], **options)
    assert_close(found, expected(layer, mask=mask & pairs()))


def test_it_may_be_renormalized():
    layer = built(renormalize=True)
    found = layer([QUERY, VALUE], mask=[None, KEY_MASK], return_attention_scores=True)
    assert_close(found, expected(layer))
    np.testing.assert_allclose(numpy(found[1]).sum(-1), 1, atol=1e-6)
    _, papers = built()([QUERY, VALUE], return_attention_scores=True)
    assert (numpy(papers).sum(-1) < 0.99).any()


@every_score
def test_it_is_global_attention_masked_and_times_a_gaussian(score):
    """The same without a gather: every key scored, the window a mask over full rows."""
    layer, width = built(score=score), 2
    everywhere = LuongAttention(score)
    everywhere.build([QUERY.shape, VALUE.shape])
    kernel, scale, *of_score = layer.get_weights()
    everywhere.set_weights(of_score)
    centres = KEYS / (1 + np.exp(-np.tanh(QUERY @ kernel) @ scale))
    distance = np.arange(KEYS) - centres
    mask = abs(distance) <= width
    _, weights = everywhere([QUERY, VALUE], attention_mask=mask, return_attention_scores=True)
    wanted = numpy(weights) * np.exp(-(distance**2) / (2 * (width / 2) ** 2))
    _, found = layer([QUERY, VALUE], return_attention_scores=True)
    np.testing.assert_allclose(numpy(found), wanted, atol=1e-6)


@every_score
@pytest.mark.parametrize("window", [KEYS - 1, KEYS, 100])
def test_a_window_over_the_whole_sentence_is_global_attention(score, window):
    layer, everywhere = built("monotonic", score, window), LuongAttention(score)
    everywhere.build([QUERY.shape, VALUE.shape])
    everywhere.set_weights(layer.get_weights())
    options = {"mask": [None, KEY_MASK], "return_attention_scores": True}
    wanted = everywhere([QUERY, VALUE], **options)
    assert_close(layer([QUERY, VALUE], **options), map(numpy, wanted), 1e-6)


@every_alignment
@every_score
@pytest.mark.parametrize("renormalize", [False, True])
def test_its_gradients_are_differences(alignment, score, renormalize):
    layer = built(alignment, score, units=2, renormalize=renormalize, dtype=FINEST)
    query, value, mask = QUERY[1:2], VALUE[1:2], MASK[1:2]
    factors = np.random.default_rng(3).normal(size=(1, QUERIES, 2)).astype(FINEST)

    def loss(query, value):
        return ops.sum(ops.multiply(layer([query, value], attention_mask=mask), factors))

    def written_out(query, value, *weights):
        return np.sum(formula(layer, query[0], value[0], mask[0], weights)[0] * factors[0])

    found = assert_gradients_are_differences(loss, written_out, [query, value], layer.weights)
    if alignment == "predictive":
        of_kernel, of_scale = found[3:5]
        assert abs(of_kernel).max() > 1e-3
        assert abs(of_scale).max() > 1e-3


@every_alignment
def test_keys_and_values_may_be_apart(alignment):
    layer = built(alignment, "dot")
    other = np.random.default_rng(4).normal(size=(len(QUERY), KEYS, 7)).astype("float32")
    context, weights = layer([QUERY, other, VALUE], return_attention_scores=True)
    _, wanted = layer([QUERY, VALUE], return_attention_scores=True)
    assert_close([context, weights], [numpy(wanted) @ other, numpy(wanted)])


@every_alignment
def test_a_document_of_sentences_is_read_sentence_by_sentence(alignment):
    layer = built(alignment, units=2)
    documents = [np.stack([x, x[::-1]]) for x in (QUERY, VALUE)]
    masks = [None, np.stack([KEY_MASK, KEY_MASK[::-1]])]
    found = layer(documents, mask=masks, return_attention_scores=True)
    alone = layer([QUERY, VALUE], mask=[None, KEY_MASK], return_attention_scores=True)
    wanted = [numpy(x) for x in alone]
    assert_close(found, [np.stack([x, x[::-1]]) for x in wanted])
