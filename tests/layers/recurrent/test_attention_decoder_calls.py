"""Calls of AttentionDecoder. Its outputs are tested in test_attention_decoder.py."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import AdditiveAttention, AttentionDecoder
from tests.layers.recurrent.decoder_formulas import (
    BATCH,
    CELLS,
    INPUTS,
    MEMORY,
    MEMORY_MASK,
    MODES,
    STEPS,
    build,
    make_states,
    numpy,
)

every_cell = pytest.mark.parametrize("cell", CELLS)
every_mode = pytest.mark.parametrize("mode", MODES)


def assert_same(first, second):
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(numpy(a), numpy(b), atol=1e-5), first, second
    )


@every_mode
def test_alignments_and_state_are_returned_on_request(mode):
    decoder = build("lstm", mode)
    outputs = decoder(INPUTS, MEMORY)
    with_both = decoder(INPUTS, MEMORY, return_attention_scores=True, return_state=True)
    assert_same(with_both[0], outputs)
    assert_same(decoder(INPUTS, MEMORY, return_attention_scores=True), with_both[:2])
    assert_same(decoder(INPUTS, MEMORY, return_state=True), with_both[::2])
    np.testing.assert_allclose(numpy(with_both[1]).sum(-1), 1, atol=1e-5)


@every_cell
def test_initial_state_can_be_nested_in_any_way(cell):
    decoder, flat = build(cell, "before"), make_states(cell)
    expected_outputs = decoder(INPUTS, MEMORY, initial_state=flat)
    nested = [flat[:2], flat[2:]] if cell == "stack" else [flat]
    variants = [tuple(flat), nested, decoder.get_initial_state(BATCH, flat)]
    for state in variants + (flat if cell == "gru" else []):
        assert_same(decoder(INPUTS, MEMORY, initial_state=state), expected_outputs)
    zeros = [np.zeros_like(x) for x in flat]
    assert_same(decoder(INPUTS, MEMORY), decoder(INPUTS, MEMORY, initial_state=zeros))
    assert np.abs(numpy(expected_outputs) - numpy(decoder(INPUTS, MEMORY))).max() > 0.01


@every_cell
@every_mode
def test_two_parts_of_a_sequence_equal_the_whole(cell, mode):
    decoder = build(cell, mode)
    one_call, last = decoder(INPUTS, MEMORY, make_states(cell), return_state=True)
    first, state = decoder(INPUTS[:, :2], MEMORY, make_states(cell), return_state=True)
    second, end = decoder(INPUTS[:, 2:], MEMORY, state, return_state=True)
    assert_same(ops.concatenate([first, second], 1), one_call)
    assert_same(end, last)


def test_state_of_another_size_is_refused():
    with pytest.raises(
        ValueError, match="Expected `initial_state` of 2 tensors for LSTMCell. .* of 1"
    ):
        build("lstm", "before")(INPUTS, MEMORY, initial_state=make_states("gru"))
    with pytest.raises(ValueError, match=r"Expected `initial_state` of shapes .* of \[\(2, 11\)\]"):
        build("gru", "before")(INPUTS, MEMORY, initial_state=[np.ones((2, 11), "float32")])


def test_inputs_and_memory_without_a_time_axis_are_refused():
    with pytest.raises(ValueError, match=r"Received: inputs \(2, 3\), memory \(2, 7, 5\)"):
        AttentionDecoder(CELLS["gru"](), AdditiveAttention())(INPUTS[:, 0], MEMORY)


@pytest.mark.parametrize(("name", "length"), [("inputs_mask", 5), ("memory_mask", 7)])
def test_masks_of_other_shapes_are_refused(name, length):
    expected = f"Expected `{name}` of shape .2, {length}.. Received: {name} of shape .2, 11."
    with pytest.raises(ValueError, match=expected):
        build("gru", "after")(INPUTS, MEMORY, **{name: np.ones((2, 11), bool)})


@every_mode
def test_keys_are_projected_once_per_sequence(mode):
    calls = []

    class CountingScore(keras_attention.score.GeneralScore):
        def project_key(self, key):
            calls.append(key.shape)
            return super().project_key(key)

    attention = keras_attention.Attention(CountingScore())
    AttentionDecoder(CELLS["gru"](), attention, **MODES[mode][1])(INPUTS, MEMORY)
    assert calls == [MEMORY.shape]


@every_mode
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_masks_can_be_numbers(mode, dtype):
    decoder, inputs_mask = build("gru", mode), np.arange(STEPS) < np.array([[5], [2]])
    by_number, by_bool = (
        decoder(INPUTS, MEMORY, inputs_mask=a, memory_mask=b)
        for a, b in [
            (inputs_mask.astype(dtype), MEMORY_MASK.astype(dtype)),
            (inputs_mask, MEMORY_MASK),
        ]
    )
    assert_same(by_number, by_bool)


@every_mode
def test_keras_masks_are_used_and_passed_on(mode):
    decoder, masking = build("gru", mode), keras.layers.Masking()
    inputs_mask = np.arange(STEPS) < np.array([[5], [2]])
    inputs, memory = INPUTS * inputs_mask[..., None], MEMORY * MEMORY_MASK[..., None]
    implicit = decoder(masking(inputs), masking(memory))
    assert_same(implicit, decoder(inputs, memory, inputs_mask=inputs_mask, memory_mask=MEMORY_MASK))
    pooled = keras.layers.GlobalAveragePooling1D()(implicit)
    means = [x[m].mean(0) for x, m in zip(numpy(implicit), inputs_mask, strict=True)]
    np.testing.assert_allclose(numpy(pooled), means, atol=1e-5)


def test_prepared_mask_of_location_attention_has_the_batch_axis():
    attention = keras_attention.LuongAttention("location", max_length=5)
    decoder = AttentionDecoder(CELLS["gru"](), attention)
    decoder(INPUTS, MEMORY)
    prepared = decoder.prepare(ops.convert_to_tensor(MEMORY))
    assert all(part.shape[0] == BATCH for part in prepared)
    np.testing.assert_array_equal(numpy(prepared.mask), [[[True] * 5 + [False] * 2]] * BATCH)


def test_cell_and_attention_built_before_keep_their_weights():
    old = build("lstm", "before")
    new = AttentionDecoder(old.cell, old.attention)
    assert_same(new(INPUTS, MEMORY), old(INPUTS, MEMORY))


def test_one_config_can_create_several_decoders():
    config = build("stack", "feeding", "both").get_config()
    first, second = (AttentionDecoder.from_config(config) for _ in range(2))
    assert first.get_config() == second.get_config() == config
    assert first.cell is not second.cell
