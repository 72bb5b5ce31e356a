"""Documented, intended differences from Keras's attention layers."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention

RNG = np.random.default_rng(0)
QUERY, VALUE = (RNG.normal(size=(2, n, 5)).astype("float32") for n in (3, 7))
LAYERS = [
    (keras.layers.Attention, keras_attention.Attention),
    (keras.layers.AdditiveAttention, keras_attention.AdditiveAttention),
]
both_kinds = pytest.mark.parametrize(("theirs", "ours"), LAYERS, ids=["dot", "additive"])


def compute_weights(create, inputs=(QUERY, VALUE), **options):
    results = create()(list(inputs), return_attention_scores=True, **options)
    return [ops.convert_to_numpy(x) for x in results]


@both_kinds
def test_fully_masked_query_gives_zero_where_keras_averages_masked_values(theirs, ours):
    mask = [None, np.array([[True] * 7, [False] * 7])]
    context, weights = compute_weights(ours, mask=mask)
    np.testing.assert_array_equal(context[1], 0)
    np.testing.assert_array_equal(weights[1], 0)
    context, weights = compute_weights(theirs, mask=mask)
    np.testing.assert_allclose(weights[1].sum(-1), 1, rtol=1e-5)
    assert np.abs(context[1]).max() > 0.1


@both_kinds
def test_causal_mask_is_aligned_to_the_lower_right_unlike_keras(theirs, ours):
    _, weights = compute_weights(ours, use_causal_mask=True)
    np.testing.assert_array_equal(weights[0] > 0, np.tri(3, 7, 4, dtype=bool))
    _, weights = compute_weights(theirs, use_causal_mask=True)
    np.testing.assert_array_equal(weights[0] > 0, np.tri(3, 7, dtype=bool))


@both_kinds
def test_masked_query_has_zero_weights_unlike_keras(theirs, ours):
    mask = [np.array([[True, True, False]] * 2), None]
    for create, total in [(ours, 0), (theirs, 1)]:
        context, weights = compute_weights(create, mask=mask)
        np.testing.assert_array_equal(context[:, 2], 0)
        np.testing.assert_allclose(weights[:, 2].sum(-1), total, rtol=1e-5)


@both_kinds
def test_mask_of_one_row_is_not_broadcast_over_the_batch_unlike_keras(theirs, ours):
    mask = [None, np.array([[True] * 4 + [False] * 3])]
    _, weights = compute_weights(theirs, mask=mask)
    np.testing.assert_array_equal(weights > 0, np.broadcast_to(mask[1], (2, 3, 7)))
    with pytest.raises(ValueError, match=r"Expected `value_mask` of shape \(2, 7\)"):
        compute_weights(ours, mask=mask)


@both_kinds
def test_nan_in_padding_changes_nothing_unlike_keras(theirs, ours):
    value_mask = np.arange(7) < np.array([[7], [4]])
    poisoned = np.where(value_mask[..., None], VALUE, np.float32(np.nan))
    context, _ = compute_weights(ours, (QUERY, poisoned), mask=[None, value_mask])
    assert np.isfinite(context).all()
    context, _ = compute_weights(theirs, (QUERY, poisoned), mask=[None, value_mask])
    assert np.isnan(context[1]).all()


def test_key_mask_is_applied_unlike_keras():
    half = np.arange(7) < 4
    mask = [None, np.ones((2, 7), bool), np.stack([half, half])]
    _, weights = compute_weights(keras_attention.Attention, (QUERY, VALUE, VALUE), mask=mask)
    np.testing.assert_array_equal(weights > 0, np.broadcast_to(half, (2, 3, 7)))
    _, weights = compute_weights(keras.layers.Attention, (QUERY, VALUE, VALUE), mask=mask)
    assert (weights > 0).all()


@both_kinds
def test_one_tensor_a_tuple_and_a_single_query_are_accepted(theirs, ours):
    layer = ours()
    self_attention = layer(VALUE)
    np.testing.assert_array_equal(
        *map(ops.convert_to_numpy, (self_attention, layer((VALUE, VALUE))))
    )
    assert layer([VALUE[:, 0], VALUE]).shape == (2, 5)
    with pytest.raises(ValueError, match="list of inputs"):
        theirs()(VALUE)


def test_additive_attention_has_projections_unlike_keras():
    inputs = [QUERY, VALUE]
    theirs, ours = keras.layers.AdditiveAttention(), keras_attention.AdditiveAttention(units=2)
    theirs(inputs), ours(inputs)
    assert [tuple(w.shape) for w in theirs.weights] == [(5,)]
    assert [tuple(w.shape) for w in ours.weights] == [(5, 2), (5, 2), (2,)]
