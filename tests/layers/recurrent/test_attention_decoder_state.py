"""Decoder states that are saved, reloaded and passed from call to call."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention


def build_decoder():
    attention = keras_attention.LuongAttention(units=3)
    return keras_attention.AttentionDecoder(keras.layers.GRUCell(7), attention, "after", True)


def data():
    rng = np.random.default_rng(0)
    return [rng.normal(size=s).astype("float32") for s in ((2, 4, 8), (2, 5, 6))]


def test_reloaded_model_accepts_a_decoder_state(tmp_path):
    inputs, memory = keras.Input((None, 8)), keras.Input((None, 6))
    _, state = build_decoder()(inputs, memory, return_state=True)
    model = keras.Model([inputs, memory], build_decoder()(inputs, memory, initial_state=state))
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    results, expected = (ops.convert_to_numpy(m(data())) for m in (reloaded, model))
    np.testing.assert_allclose(results, expected, atol=1e-6)


def test_state_carries_a_sequence_over_to_a_second_call():
    inputs, memory = data()
    layer = build_decoder()
    one_call = layer(inputs, memory)
    first, state = layer(inputs[:, :2], memory, return_state=True)
    second = layer(inputs[:, 2:], memory, initial_state=state)
    halves = ops.concatenate([first, second], axis=1)
    np.testing.assert_allclose(
        ops.convert_to_numpy(halves), ops.convert_to_numpy(one_call), atol=1e-6
    )


@pytest.mark.parametrize("feeding", [False, True])
def test_position_counts_unmasked_steps(feeding):
    inputs, memory = data()
    attention = keras_attention.LuongAttention(units=3)
    layer = keras_attention.AttentionDecoder(keras.layers.GRUCell(7), attention, "after", feeding)
    mask = np.array([[True, True, True, True], [False, True, True, False]])
    _, state = layer(inputs, memory, inputs_mask=mask, return_state=True)
    _, state = layer(inputs, memory, initial_state=state, return_state=True)
    assert ops.convert_to_numpy(state.position).tolist() == [8, 6]


@pytest.mark.parametrize("shapes", [[(2, 5)], [(2, 7), (2, 3), (2, 3)], [(2,)]])
def test_state_of_other_shapes_is_refused(shapes):
    inputs, memory = data()
    state = [np.zeros(shape, "float32") for shape in shapes]
    with pytest.raises(ValueError, match="Expected `initial_state` of"):
        build_decoder()(inputs, memory, initial_state=state)


def test_built_decoder_refuses_inputs_of_another_rank_or_batch():
    inputs, memory = data()
    layer = build_decoder()
    layer(inputs, memory)
    for wrong in [(inputs[:, 0], memory), (inputs, memory[0]), (inputs, memory[[0, 1, 1]])]:
        with pytest.raises(ValueError, match="Expected `inputs` .batch, Tdec, width"):
            layer(*wrong)
