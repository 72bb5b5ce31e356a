"""LocationAwareAttention against the paper's equations, and its window, start and decoder."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AdditiveAttention, AttentionDecoder, LocationAwareAttention
from tests import reference_sequential

BATCH, QUERIES, KEYS = 2, 4, 9
RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(BATCH, QUERIES, 3)).astype("float32")
VALUE = RNG.normal(size=(BATCH, KEYS, 5)).astype("float32")
KEY_MASK = np.array([[True] * KEYS, [False] + [True] * 5 + [False] * 3])
QUERY_MASK = np.array([[True] * QUERIES, [True, False, True, True]])


def numpy(x):
    return ops.convert_to_numpy(x)


def build(seed=1, **options):
    layer = LocationAwareAttention(**{"units": 4, "filters": 2, "width": 3, **options})
    layer.build([QUERY.shape, VALUE.shape])
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def run(layer, mask=(QUERY_MASK, KEY_MASK), **options):
    outputs = layer([QUERY, VALUE], mask=list(mask), return_attention_scores=True, **options)
    return [numpy(x) for x in outputs]


def run_reference(layer, **options):
    masks = QUERY_MASK[:, :, None] & KEY_MASK[:, None, :]
    rows = []
    for query, value, mask in zip(QUERY, VALUE, masks, strict=True):
        visible = mask.any(axis=0)
        first = visible / visible.sum()
        if options.get("start") == "first":
            first = np.eye(KEYS)[visible.argmax()]
        arguments = query, value, value, mask, layer.get_weights(), first
        equations = {k: v for k, v in options.items() if k != "start"}
        rows.append(reference_sequential.location_aware(*arguments, **equations))
    return [np.stack(parts) for parts in zip(*rows, strict=True)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"cumulative": True}, {}),
        ({"width": 7, "filters": 3}, {}),
        ({"start": "first"}, {"start": "first"}),
        ({"sharpness": 2.0}, {"sharpness": 2.0}),
        ({"normalize": "smooth"}, {"normalize": reference_sequential.smooth}),
    ],
    ids=["plain", "cumulative", "wide", "first", "sharpened", "smooth"],
)
def test_contexts_and_weights_equal_the_equations(options, expected):
    layer = build(**options)
    for result, reference in zip(run(layer), run_reference(layer, **expected), strict=True):
        np.testing.assert_allclose(result, reference, atol=1e-5)


def test_without_filters_it_is_additive_attention():
    layer = build()
    *weights, filters, location_kernel = layer.get_weights()
    layer.set_weights([*weights, 0 * filters, location_kernel])
    additive = AdditiveAttention(units=4)
    additive.build([QUERY.shape, VALUE.shape])
    additive.set_weights(weights)
    for result, expected in zip(run(layer), run(additive), strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_filter_moves_the_attention_by_one_key_per_query():
    # The score of key j is high if the previous weight of key j - 1 is.
    layer = LocationAwareAttention(units=1, filters=1, width=3, sharpness=100.0, start="first")
    layer.build([QUERY.shape, VALUE.shape])
    filters = np.array([1.0, 0.0, 0.0]).reshape(3, 1, 1)
    zeros = [np.zeros((3, 1)), np.zeros((5, 1))]
    layer.set_weights([*zeros, np.ones(1), filters, np.ones((1, 1))])
    _, weights = run(layer, mask=(None, None))
    np.testing.assert_allclose(weights[0], np.eye(KEYS)[1 : 1 + QUERIES], atol=1e-6)


def test_padding_changes_nothing():
    layer = build(cumulative=True)
    padded = np.concatenate([VALUE, np.full((BATCH, 3, 5), np.nan, "float32")], axis=1)
    padded_mask = np.pad(KEY_MASK, ((0, 0), (0, 3)))
    context, weights = layer(
        [QUERY, padded], mask=[QUERY_MASK, padded_mask], return_attention_scores=True
    )
    expected_context, expected_weights = run(layer)
    np.testing.assert_allclose(numpy(context), expected_context, atol=1e-6)
    np.testing.assert_allclose(numpy(weights)[..., :KEYS], expected_weights, atol=1e-6)


def test_masked_query_passes_the_weights_on():
    layer = build()
    kept = QUERY[1:, [0, 2, 3]]
    short = layer([kept, VALUE[1:]], mask=[None, KEY_MASK[1:]])
    np.testing.assert_allclose(run(layer)[0][1, [0, 2, 3]], numpy(short)[0], atol=1e-6)


def test_window_hides_keys_far_from_the_previous_ones_in_inference_only():
    layer = build(window=1)
    _, weights = run(layer)
    for row, visible, mask in zip(weights, QUERY_MASK, KEY_MASK, strict=True):
        previous = np.eye(KEYS)[mask.argmax()]
        for current in row[visible]:
            median = np.argmax(np.cumsum(previous) >= 0.5 * previous.sum() - 1e-6)
            assert set(np.flatnonzero(current)) <= {median - 1, median, median + 1}
            previous = current
    without_window = build(start="first")
    for result, expected in zip(run(layer, training=True), run(without_window), strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_dropout_is_of_the_weights_that_are_read_not_of_the_carry():
    layer = build(dropout=0.5, seed=3)
    context, weights = run(layer, training=True)
    expected_context, expected_weights = run(layer)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-6)
    assert not np.allclose(context, expected_context, atol=1e-3)


@pytest.mark.parametrize("options", [{"attend": "before"}, {"attend": "after"}])
def test_decoder_runs_the_same_steps_as_its_loop(options):
    attention = LocationAwareAttention(units=4, filters=2, width=3, cumulative=True)
    decoder = AttentionDecoder(keras.layers.GRUCell(6), attention, **options)
    inputs_mask = np.array([[True] * QUERIES, [True, False, True, True]])
    outputs, alignments, state = decoder(
        QUERY,
        VALUE,
        inputs_mask=inputs_mask,
        memory_mask=KEY_MASK,
        return_attention_scores=True,
        return_state=True,
    )
    memory = decoder.prepare(VALUE, KEY_MASK)
    step_state = decoder.get_initial_state(BATCH, memory=memory)
    for t in range(QUERIES):
        output, alignment, step_state = decoder.step(QUERY[:, t], step_state, memory)
        np.testing.assert_allclose(numpy(output)[0], numpy(outputs)[0, t], atol=1e-5)
        np.testing.assert_allclose(numpy(alignment)[0], numpy(alignments)[0, t], atol=1e-5)
    total = numpy(alignments).sum(axis=1)
    np.testing.assert_allclose(numpy(state.carry[1]), total, atol=1e-5)


def test_decoder_continues_from_a_state():
    attention = LocationAwareAttention(units=4, filters=2, width=3)
    decoder = AttentionDecoder(keras.layers.GRUCell(6), attention)
    whole = decoder(QUERY, VALUE)
    first, state = decoder(QUERY[:, :2], VALUE, return_state=True)
    second = decoder(QUERY[:, 2:], VALUE, initial_state=state)
    halves = np.concatenate([numpy(first), numpy(second)], axis=1)
    np.testing.assert_allclose(halves, numpy(whole), atol=1e-5)


def test_decoder_without_memory_cannot_start():
    decoder = AttentionDecoder(keras.layers.GRUCell(6), LocationAwareAttention(units=4))
    decoder(QUERY, VALUE)
    with pytest.raises(ValueError, match="Expected `memory`.*LocationAwareAttention"):
        decoder.get_initial_state(BATCH)


def test_window_of_masked_keys_has_no_effect():
    layer = build(window=1)
    hidden = np.ones((BATCH, QUERIES, KEYS), bool)
    hidden[:, 1:3, :5] = False  # the window is at the first keys
    options = {"attention_mask": hidden, "return_attention_scores": True}
    _, weights = layer([QUERY, VALUE], **options)
    np.testing.assert_allclose(numpy(weights).sum(-1), 1.0, atol=1e-5)
    assert (numpy(weights)[:, 1:3, :5] == 0).all()
