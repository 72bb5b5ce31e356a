"""Where our layers differ from Keras's on purpose, as documented."""

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


def weights_of(make, inputs=(QUERY, VALUE), **options):
    found = make()(list(inputs), return_attention_scores=True, **options)
    return [ops.convert_to_numpy(x) for x in found]


@both_kinds
def test_who_may_see_nothing_reads_zero_where_keras_reads_what_is_masked(theirs, ours):
    mask = [None, np.array([[True] * 7, [False] * 7])]
    context, weights = weights_of(ours, mask=mask)
    np.testing.assert_array_equal(context[1], 0)
    np.testing.assert_array_equal(weights[1], 0)
    context, weights = weights_of(theirs, mask=mask)
    np.testing.assert_allclose(weights[1].sum(-1), 1, rtol=1e-5)
    assert np.abs(context[1]).max() > 0.1


@both_kinds
def test_causal_is_aligned_to_the_lower_right_where_keras_aligns_to_the_upper_left(theirs, ours):
    _, weights = weights_of(ours, use_causal_mask=True)
    np.testing.assert_array_equal(weights[0] > 0, np.tri(3, 7, 4, dtype=bool))
    _, weights = weights_of(theirs, use_causal_mask=True)
    np.testing.assert_array_equal(weights[0] > 0, np.tri(3, 7, dtype=bool))


@both_kinds
def test_a_masked_query_has_no_weights_where_keras_returns_some(theirs, ours):
    mask = [np.array([[True, True, False]] * 2), None]
    for make, total in [(ours, 0), (theirs, 1)]:
        context, weights = weights_of(make, mask=mask)
        np.testing.assert_array_equal(context[:, 2], 0)
        np.testing.assert_allclose(weights[:, 2].sum(-1), total, rtol=1e-5)


@both_kinds
def test_nan_in_padding_does_not_matter_where_it_spoils_keras(theirs, ours):
    real = np.arange(7) < np.array([[7], [4]])
    poisoned = np.where(real[..., None], VALUE, np.float32(np.nan))
    context, _ = weights_of(ours, (QUERY, poisoned), mask=[None, real])
    assert np.isfinite(context).all()
    context, _ = weights_of(theirs, (QUERY, poisoned), mask=[None, real])
    assert np.isnan(context[1]).all()


def test_a_key_mask_counts_where_keras_ignores_it():
    half = np.arange(7) < 4
    mask = [None, np.ones((2, 7), bool), np.stack([half, half])]
    _, weights = weights_of(keras_attention.Attention, (QUERY, VALUE, VALUE), mask=mask)
    np.testing.assert_array_equal(weights > 0, np.broadcast_to(half, (2, 3, 7)))
    _, weights = weights_of(keras.layers.Attention, (QUERY, VALUE, VALUE), mask=mask)
    assert (weights > 0).all()


@both_kinds
def test_one_tensor_a_tuple_and_a_single_query_are_inputs_too(theirs, ours):
    layer = ours()
    itself = layer(VALUE)
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (itself, layer((VALUE, VALUE)))))
    assert layer([VALUE[:, 0], VALUE]).shape == (2, 5)
    with pytest.raises(ValueError, match="list of inputs"):
        theirs()(VALUE)


def test_additive_attention_has_projections_where_keras_has_none():
    inputs = [QUERY, VALUE]
    theirs, ours = keras.layers.AdditiveAttention(), keras_attention.AdditiveAttention(units=2)
    theirs(inputs), ours(inputs)
    assert [tuple(w.shape) for w in theirs.weights] == [(5,)]
    assert [tuple(w.shape) for w in ours.weights] == [(5, 2), (5, 2), (2,)]
