"""`project` returns the vectors from which a call computes its scores and its output."""

import keras
import numpy as np
import pytest

from keras_attention import MultiHeadAttention, MultiHeadSelfAttention
from keras_attention.normalize import softmax
from tests.layers.multi_head.multi_head_formulas import (
    KEY,
    QUERY,
    VALUE,
    X,
    build_seeded,
    numpy,
)


def compute_weights(query, key, groups, mask=None):
    """Return the softmax of the scaled products of the vectors of each head."""
    key = np.repeat(numpy(key), query.shape[1] // groups, axis=1)
    scores = numpy(query) @ key.swapaxes(-1, -2) / np.float32(np.sqrt(query.shape[-1]))
    return numpy(softmax(scores, mask=mask))


@pytest.mark.parametrize("groups", [4, 2])
def test_scores_of_the_vectors_are_those_of_the_call(groups):
    inputs = [QUERY, VALUE, KEY]
    layer = build_seeded(MultiHeadAttention(4, 3, 5, num_key_value_heads=groups), inputs)
    _, weights = layer(inputs, return_attention_scores=True)
    query, key, value = layer.project(inputs)
    batch, keys = VALUE.shape[:2]
    assert query.shape == (batch, 4, QUERY.shape[1], 3)
    assert key.shape == (batch, groups, keys, 3)
    assert value.shape == (batch, groups, keys, 5)
    np.testing.assert_allclose(compute_weights(query, key, groups), numpy(weights), atol=1e-5)


def test_rotary_vectors_and_masks_are_those_of_the_call():
    layer = build_seeded(MultiHeadSelfAttention(2, 4, rotary_base=100.0), X)
    mask = np.ones(X.shape[:2], bool)
    mask[:, -1] = False
    x = np.where(mask[..., None], X, np.nan).astype("float32")
    _, weights = layer(x, mask=mask, return_attention_scores=True)
    query, key, _ = layer.project(x, mask=mask)
    expected = compute_weights(query, key, 2, mask[:, None, None, :])
    np.testing.assert_allclose(expected[:, :, :-1], numpy(weights)[:, :, :-1], atol=1e-5)


def test_single_query_has_an_axis_of_one_query():
    layer = build_seeded(MultiHeadAttention(4, 3), [QUERY, VALUE])
    single, key, _ = layer.project([QUERY[:, -1], VALUE])
    query, other_key, _ = layer.project([QUERY, VALUE])
    np.testing.assert_allclose(numpy(single), numpy(query)[:, :, -1:], atol=1e-6)
    np.testing.assert_allclose(numpy(key), numpy(other_key), atol=1e-6)


def test_symbolic_inputs_and_unbuilt_layers_are_refused():
    layer = MultiHeadAttention(2, 3, name="attention")
    with pytest.raises(ValueError, match="has been built.*'attention'"):
        layer.project([QUERY, VALUE])
    layer([QUERY, VALUE])
    with pytest.raises(ValueError, match="call `project` inside a layer"):
        layer.project(keras.Input((3, QUERY.shape[-1])))
    with pytest.raises(ValueError, match="`inputs`"):
        layer.project([QUERY])
