"""How a LocalAttention may be called, and how not."""

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
    built,
    numpy,
)

every_alignment = pytest.mark.parametrize("alignment", ALIGNMENTS)


class RecordingDropout(SeededDropout):
    """Records the arguments of `loss`."""

    has_loss = True
    arguments = None

    def loss(self, weights, noise, mask=None):
        self.arguments = weights, noise, mask
        return ops.zeros(())


@every_alignment
def test_perturbation_loss_receives_full_rows_of_weights(alignment):
    layer = LocalAttention(2, alignment, dropout=0.5, seed=1)
    layer.perturbation = RecordingDropout(0.5, layer.seed_generator)
    query_mask = np.arange(QUERY.shape[1]) < np.array([[5], [2], [3]])
    options = {"mask": [query_mask, None], "return_attention_scores": True}
    layer([QUERY, VALUE], training=False, **options)
    assert layer.perturbation.arguments is None
    _, weights = layer([QUERY, VALUE], training=True, **options)
    full_rows, noise, mask = layer.perturbation.arguments
    assert_close([full_rows], [numpy(weights)], 1e-6)
    assert noise.shape == (*QUERY.shape[:2], 1)
    np.testing.assert_array_equal(numpy(mask), query_mask)


def test_a_hole_among_the_queries_is_no_step_as_in_a_decoder():
    mask = np.array([[1, 0, 1, 0, 1], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1]], bool)
    layer = built("monotonic", score="dot")
    options = {"return_attention_scores": True}
    _, found = layer([QUERY, VALUE], mask=[mask, None], **options)
    for cell in (keras.layers.SimpleRNNCell(3), keras.layers.GRUCell(3)):
        decoder = AttentionDecoder(cell, layer, attend="after", input_feeding=True)
        _, steps = decoder(QUERY, VALUE, inputs_mask=mask, **options)
        np.testing.assert_array_equal(numpy(found) > 0, numpy(steps) > 0)


def test_one_position_for_all_queries():
    layer = built("monotonic")
    for query in (QUERY, QUERY[:, 0]):
        one = layer([query, VALUE], positions=4)
        each = layer([query, VALUE], positions=np.full(query.shape[:-1], 4))
        assert_close([one], [numpy(each)], 1e-6)


@every_alignment
@pytest.mark.parametrize("units", [None, 2])
def test_one_sequence_of_queries_asks_every_sequence(alignment, units):
    local, luong = built(alignment, units=units), LuongAttention(units=units)
    for layer in (local, luong):
        found = layer([QUERY[:1], VALUE])
        wanted = layer([np.repeat(QUERY[:1], 3, 0), VALUE])
        assert_close([found], [numpy(wanted)], 1e-6)


@every_alignment
@pytest.mark.parametrize(("queries", "keys"), [(0, 13), (5, 0)])
def test_nobody_asks_nothing(alignment, queries, keys):
    layer = built(alignment)
    with pytest.raises(ValueError, match="one query and one key at least. Received: query"):
        layer([QUERY[:, :queries], VALUE[:, :keys]])
    symbols = keras.KerasTensor((None, queries, 3)), keras.KerasTensor((None, keys, 4))
    with pytest.raises(ValueError, match="one query and one key at least. Received: query"):
        layer(list(symbols))


def test_positions_for_predicted_places_are_refused_in_a_model_too():
    query, value = keras.Input((5, 3)), keras.Input((13, 4))
    positions = keras.Input((5,), dtype="int32")
    with pytest.raises(ValueError, match="`positions` with alignment='monotonic' only"):
        LocalAttention(2)([query, value], positions=positions)


@pytest.mark.parametrize(
    ("inputs", "memory"), [((1, 5, 3), (3, 13, 4)), ((3, 0, 3), (3, 13, 4)), ((3, 5, 3), (3, 0, 4))]
)
def test_a_decoder_refuses_nothing_and_one_row_for_many(inputs, memory):
    decoder = AttentionDecoder(keras.layers.GRUCell(3), LuongAttention())
    with pytest.raises(ValueError, match="Expected `inputs`.* and `memory`.*Received: inputs"):
        decoder(ops.zeros(inputs), ops.zeros(memory))
