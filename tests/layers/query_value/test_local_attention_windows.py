"""Windows of LocalAttention: sentences with padding, positions, edges."""

import numpy as np
import pytest
from keras import ops

from keras_attention import LocalAttention
from tests.gradients import gradients
from tests.layers.query_value.local_formulas import (
    ALIGNMENTS,
    KEY_MASK,
    KEYS,
    QUERIES,
    QUERY,
    VALUE,
    assert_close,
    build,
    compute_expected,
    numpy,
)

every_alignment = pytest.mark.parametrize("alignment", ALIGNMENTS)
SCORES = {"return_attention_scores": True}


@every_alignment
@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("after", [0, 5])
def test_padding_on_either_side_changes_nothing(alignment, before, after):
    layer = build(alignment, units=2)
    masks = [np.ones(QUERY.shape[:2], bool), KEY_MASK]
    output, weights = layer([QUERY, VALUE], mask=masks, **SCORES)
    padding = [(0, 0), (before, after)]
    padded = [np.pad(x, [*padding, (0, 0)], constant_values=np.nan) for x in (QUERY, VALUE)]
    results = layer(padded, mask=[np.pad(m, padding) for m in masks], **SCORES)
    expected_outputs = (
        np.pad(numpy(output), [*padding, (0, 0)]),
        np.pad(numpy(weights), [*padding, padding[1]]),
    )
    assert_close(results, expected_outputs)


def test_sentence_length_excludes_padding():
    layer = build()
    layer.set_weights([np.zeros(w.shape) for w in layer.weights])  # p_t = S / 2
    mask = np.zeros((3, KEYS), bool)
    mask[0] = True
    mask[1, 2:8] = True
    mask[2, 2:6:3] = True  # two keys and a gap: four positions
    _, weights = layer([QUERY, VALUE], mask=[None, mask], **SCORES)
    # The sentences have 13, 6 and 4 positions; the center of the last one is a masked key.
    centers = 6, 2 + 3, 2 + 3
    assert numpy(weights).argmax(-1).tolist() == [[center] * QUERIES for center in centers]


def test_window_around_a_fractional_center_has_an_even_number_of_keys():
    layer = build()
    layer.set_weights([np.zeros(w.shape) for w in layer.weights])
    for keys, window_keys in [(6, [1, 2, 3, 4, 5]), (7, [2, 3, 4, 5])]:
        _, weights = layer([QUERY, VALUE[:, :keys]], **SCORES)
        assert np.flatnonzero(numpy(weights)[0, 0]).tolist() == window_keys
        bell = np.exp(-2 * ((np.array(window_keys) - keys / 2) / 2) ** 2)
        np.testing.assert_allclose(
            numpy(weights)[0, 0, window_keys], bell / len(window_keys), rtol=1e-5
        )


def test_monotonic_windows_beyond_the_end_of_the_source_are_empty():
    layer = build("monotonic", window=1)
    context, weights = map(numpy, layer([QUERY, VALUE[:, :3]], **SCORES))
    is_in_window = abs(np.arange(QUERIES)[:, None] - np.arange(3)) <= 1
    np.testing.assert_array_equal(weights[0] > 0, is_in_window)
    np.testing.assert_array_equal(context[:, 4:], 0)
    context, _ = layer([QUERY, VALUE], positions=np.array([-2, -1, 0, 12, 14]), **SCORES)
    np.testing.assert_array_equal(numpy(context)[:, [0, 4]], 0)
    assert (abs(numpy(context)[:, 1:4]).max(-1) > 0).all()


@pytest.mark.parametrize(
    "positions", [[[3, 0, 7, 11, 1]] * 2 + [[0, 1, 2, 3, 2]], [[2, 4, 5, 9, 12]], [1, 0, 3, 2, 5]]
)
def test_positions_move_the_windows(positions):
    layer = build("monotonic")
    positions = np.array(positions)
    results = layer([QUERY, VALUE], mask=[None, KEY_MASK], positions=positions, **SCORES)
    positions_per_sequence = np.broadcast_to(positions, (3, QUERIES))
    assert_close(results, compute_expected(layer, positions=positions_per_sequence))


@every_alignment
def test_position_of_a_single_query_moves_its_window(alignment):
    layer = build(alignment, units=2)
    masks = {"mask": [None, KEY_MASK], **SCORES}
    output, weights = layer([QUERY, VALUE], **masks)
    for t in range(QUERIES):
        options = {"positions": np.array([t] * 3)} if alignment == "monotonic" else {}
        results = layer([QUERY[:, t], VALUE], **masks, **options)
        assert_close(results, [numpy(output)[:, t], numpy(weights)[:, t]])
    first = layer([QUERY[:, 0], VALUE], **masks)
    assert_close(first, [numpy(output)[:, 0], numpy(weights)[:, 0]])


def test_self_attention_centers_windows_at_the_queries():
    layer = build("monotonic", "dot", window=1)
    no_gap, gap = np.array([[0, 0, 1, 1, 1, 1, 1]] * 3), np.array([[0, 0, 1, 1, 0, 1, 1]] * 3)
    # A masked query has no position, but a masked key has one: a gap needs explicit positions.
    for mask, options in [(no_gap, {}), (gap, {"positions": np.arange(7) - 2})]:
        mask = mask.astype(bool)
        _, weights = layer(VALUE[:, :7], mask=mask, **options, **SCORES)
        is_in_window = abs(np.arange(7)[:, None] - np.arange(7)) <= 1
        expected_outputs = is_in_window & mask[:, None] & mask[:, :, None]
        np.testing.assert_array_equal(numpy(weights) > 0, expected_outputs)


@every_alignment
@pytest.mark.parametrize("use_causal_mask", [False, True])
def test_keys_visible_only_to_masked_queries_change_nothing(alignment, use_causal_mask):
    layer, value = build(alignment, units=2), VALUE[:, :QUERIES]
    query_mask = np.array([[True] * 5, [True] * 4 + [False], [False] * 5])
    is_visible = np.array([[True] * 5, [True] * 4 + [not use_causal_mask], [False] * 5])
    poisoned = np.where(is_visible[..., None], value, np.float32(np.nan))

    def run_all(value):
        def loss(value):
            mask = [query_mask, None]
            output = layer([QUERY, value], mask=mask, use_causal_mask=use_causal_mask)
            return ops.sum(output**2)

        return gradients(loss, [value], layer.trainable_variables)

    for result, correct in zip(run_all(poisoned), run_all(value), strict=True):
        np.testing.assert_array_equal(result, correct)


@pytest.mark.parametrize(
    ("alignment", "positions", "message"),
    [
        ("predictive", np.arange(QUERIES), "alignment='predictive', positions="),
        ("monotonic", np.arange(QUERIES) / 2, "Received: positions of dtype float"),
        ("monotonic", np.arange(QUERIES + 1), r"Received: positions of shape \(6,\)"),
    ],
)
def test_wrong_positions_are_refused(alignment, positions, message):
    with pytest.raises(ValueError, match=message):
        build(alignment)([QUERY, VALUE], positions=positions)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": 0}, "Received: window=0"),
        ({"window": 2, "alignment": "local-m"}, "Received: alignment='local-m'"),
        ({"window": 2, "score": "location"}, "Received: score='location'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalAttention(**arguments)
