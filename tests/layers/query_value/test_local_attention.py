"""Outputs of LocalAttention. Its windows are tested in test_local_attention_windows.py."""

import numpy as np
import pytest
from keras import ops

from keras_attention import LuongAttention
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match
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
    build,
    compute_expected,
    expand_to_pairs,
    formula,
    numpy,
)

every_alignment = pytest.mark.parametrize("alignment", ALIGNMENTS)
every_score = pytest.mark.parametrize("score", SCORES)
MASK = expand_to_pairs() & (np.random.default_rng(2).random((len(QUERY), QUERIES, KEYS)) < 0.8)


@every_alignment
@every_score
@pytest.mark.parametrize("units", [None, 2])
@pytest.mark.parametrize("window", [1, 2, 5])
def test_output_equals_the_formula_of_the_paper(alignment, score, units, window):
    layer = build(alignment, score, window, units=units)
    results = layer([QUERY, VALUE], mask=[None, KEY_MASK], return_attention_scores=True)
    assert results[0].shape == (len(QUERY), QUERIES, units or WIDTH)
    assert_close(results, compute_expected(layer))


@every_alignment
@every_score
def test_attention_mask_applies_inside_the_window(alignment, score):
    layer = build(alignment, score)
    results = layer([QUERY, VALUE], attention_mask=MASK, return_attention_scores=True)
    assert_close(results, compute_expected(layer, mask=MASK))


@every_alignment
def test_causal_mask_applies_inside_the_window(alignment):
    layer, causal = build(alignment), np.tri(QUERIES, KEYS, KEYS - QUERIES, bool)
    options = {"use_causal_mask": True, "return_attention_scores": True}
    mask = np.repeat(causal[None], len(QUERY), 0)
    assert_close(layer([QUERY, VALUE], **options), compute_expected(layer, mask=mask))
    results = layer([QUERY, VALUE], mask=[None, KEY_MASK], **options)
    assert_close(results, compute_expected(layer, mask=mask & expand_to_pairs()))


def test_renormalized_weights_sum_to_one():
    layer = build(renormalize=True)
    results = layer([QUERY, VALUE], mask=[None, KEY_MASK], return_attention_scores=True)
    assert_close(results, compute_expected(layer))
    np.testing.assert_allclose(numpy(results[1]).sum(-1), 1, atol=1e-6)
    _, unnormalized = build()([QUERY, VALUE], return_attention_scores=True)
    assert (numpy(unnormalized).sum(-1) < 0.99).any()


@every_score
def test_weights_equal_global_attention_with_a_window_mask_and_a_gaussian(score):
    """Compare with scores of all keys, without a gather; the window is a mask."""
    layer, width = build(score=score), 2
    global_attention = LuongAttention(score)
    global_attention.build([QUERY.shape, VALUE.shape])
    kernel, scale, *score_weights = layer.get_weights()
    global_attention.set_weights(score_weights)
    centers = KEYS / (1 + np.exp(-np.tanh(QUERY @ kernel) @ scale))
    distance = np.arange(KEYS) - centers
    mask = abs(distance) <= width
    _, weights = global_attention([QUERY, VALUE], attention_mask=mask, return_attention_scores=True)
    expected_outputs = numpy(weights) * np.exp(-(distance**2) / (2 * (width / 2) ** 2))
    _, results = layer([QUERY, VALUE], return_attention_scores=True)
    np.testing.assert_allclose(numpy(results), expected_outputs, atol=1e-6)


@every_score
@pytest.mark.parametrize("window", [KEYS - 1, KEYS, 100])
def test_window_over_the_whole_sentence_is_global_attention(score, window):
    layer, global_attention = build("monotonic", score, window), LuongAttention(score)
    global_attention.build([QUERY.shape, VALUE.shape])
    global_attention.set_weights(layer.get_weights())
    options = {"mask": [None, KEY_MASK], "return_attention_scores": True}
    expected_outputs = global_attention([QUERY, VALUE], **options)
    assert_close(layer([QUERY, VALUE], **options), map(numpy, expected_outputs), 1e-6)


@every_alignment
@every_score
@pytest.mark.parametrize("renormalize", [False, True])
def test_gradients_equal_finite_differences(alignment, score, renormalize):
    layer = build(alignment, score, units=2, renormalize=renormalize, dtype=GRAD_DTYPE)
    query, value, mask = QUERY[1:2], VALUE[1:2], MASK[1:2]
    factors = np.random.default_rng(3).normal(size=(1, QUERIES, 2)).astype(GRAD_DTYPE)

    def loss(query, value):
        return ops.sum(ops.multiply(layer([query, value], attention_mask=mask), factors))

    def compute_loss(query, value, *weights):
        return np.sum(formula(layer, query[0], value[0], mask[0], weights)[0] * factors[0])

    results = assert_gradients_match(loss, compute_loss, [query, value], layer.weights)
    if alignment == "predictive":
        grad_kernel, grad_scale = results[3:5]
        assert abs(grad_kernel).max() > 1e-3
        assert abs(grad_scale).max() > 1e-3


@every_alignment
def test_keys_can_differ_from_values(alignment):
    layer = build(alignment, "dot")
    other = np.random.default_rng(4).normal(size=(len(QUERY), KEYS, 7)).astype("float32")
    context, weights = layer([QUERY, other, VALUE], return_attention_scores=True)
    _, expected_outputs = layer([QUERY, VALUE], return_attention_scores=True)
    assert_close([context, weights], [numpy(expected_outputs) @ other, numpy(expected_outputs)])


@every_alignment
def test_documents_of_sentences_equal_single_sentences(alignment):
    layer = build(alignment, units=2)
    documents = [np.stack([x, x[::-1]]) for x in (QUERY, VALUE)]
    masks = [None, np.stack([KEY_MASK, KEY_MASK[::-1]])]
    results = layer(documents, mask=masks, return_attention_scores=True)
    sentences = layer([QUERY, VALUE], mask=[None, KEY_MASK], return_attention_scores=True)
    expected_outputs = [numpy(x) for x in sentences]
    assert_close(results, [np.stack([x, x[::-1]]) for x in expected_outputs])
