"""Calls that LocalAttention accepts and refuses."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AttentionDecoder, LocalAttention, LuongAttention
from keras_attention.layers.query_value.perturbation import SeededDropout
from tests.layers.query_value.local_formulas import (
    ALIGNMENTS,
    QUERY,
    VALUE,
    assert_close,
    build,
    numpy,
)

every_alignment = pytest.mark.parametrize("alignment", ALIGNMENTS)


class RecordingDropout(SeededDropout):
    """A dropout that records the arguments of `loss`."""

    has_loss = True
    arguments = None

    def loss(self, weights, noise, mask=None):
        self.arguments = weights, noise, mask
        return ops.zeros(())


@every_alignment
def test_perturbation_loss_receives_full_rows_of_weights(alignment):
    layer = LocalAttention(2, alignment, dropout=0.5, seed=1)
    layer.perturbation = RecordingDropout(layer)
    query_mask = np.arange(QUERY.shape[1]) < np.array([[5], [2], [3]])
    options = {"mask": [query_mask, None], "return_attention_scores": True}
    layer([QUERY, VALUE], training=False, **options)
    assert layer.perturbation.arguments is None
    _, weights = layer([QUERY, VALUE], training=True, **options)
    full_rows, noise, mask = layer.perturbation.arguments
    assert_close([full_rows], [numpy(weights)], 1e-6)
    assert noise.shape == (*QUERY.shape[:2], 1)
    np.testing.assert_array_equal(numpy(mask), query_mask)


def test_masked_query_has_no_position_as_in_a_decoder():
    mask = np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1]], bool)
    layer = build("monotonic", score="dot")
    options = {"return_attention_scores": True}
    _, results = layer([QUERY, VALUE], mask=[mask, None], **options)
    for cell in (keras.layers.SimpleRNNCell(3), keras.layers.GRUCell(3)):
        decoder = AttentionDecoder(cell, layer, attend="after", input_feeding=True)
        _, steps = decoder(QUERY, VALUE, inputs_mask=mask, **options)
        np.testing.assert_array_equal(numpy(results) > 0, numpy(steps) > 0)


def test_one_position_is_shared_by_all_queries():
    layer = build("monotonic")
    for query in (QUERY, QUERY[:, 0]):
        shared = layer([query, VALUE], positions=4)
        expanded = layer([query, VALUE], positions=np.full(query.shape[:-1], 4))
        assert_close([shared], [numpy(expanded)], 1e-6)


@every_alignment
@pytest.mark.parametrize("units", [None, 2])
def test_queries_of_batch_one_are_shared_by_all_sequences(alignment, units):
    local, luong = build(alignment, units=units), LuongAttention(units=units)
    for layer in (local, luong):
        results = layer([QUERY[:1], VALUE])
        expected = layer([np.repeat(QUERY[:1], 3, 0), VALUE])
        assert_close([results], [numpy(expected)], 1e-6)


@every_alignment
@pytest.mark.parametrize(("queries", "keys"), [(0, 13), (5, 0)])
def test_empty_queries_and_empty_keys_are_refused(alignment, queries, keys):
    layer = build(alignment)
    with pytest.raises(ValueError, match="at least one query and one key. Received: query"):
        layer([QUERY[:, :queries], VALUE[:, :keys]])
    symbolic_inputs = keras.KerasTensor((None, queries, 3)), keras.KerasTensor((None, keys, 4))
    with pytest.raises(ValueError, match="at least one query and one key. Received: query"):
        layer(list(symbolic_inputs))


def test_positions_are_refused_for_predicted_centers_in_a_functional_model():
    query, value = keras.Input((5, 3)), keras.Input((13, 4))
    positions = keras.Input((5,), dtype="int32")
    with pytest.raises(ValueError, match="`positions` with alignment='monotonic' only"):
        LocalAttention(2)([query, value], positions=positions)


@pytest.mark.parametrize(
    ("inputs", "memory"), [((1, 5, 3), (3, 13, 4)), ((3, 0, 3), (3, 13, 4)), ((3, 5, 3), (3, 0, 4))]
)
def test_decoder_refuses_empty_or_broadcast_inputs(inputs, memory):
    decoder = AttentionDecoder(keras.layers.GRUCell(3), LuongAttention())
    with pytest.raises(ValueError, match="Expected `inputs`.* and `memory`.*Received: inputs"):
        decoder(ops.zeros(inputs), ops.zeros(memory))
