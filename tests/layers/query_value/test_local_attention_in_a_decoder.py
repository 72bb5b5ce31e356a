"""LocalAttention in an `AttentionDecoder`: local-m's p_t is the number of the step."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AttentionDecoder, LocalAttention, decoding
from tests import reference
from tests.layers.query_value.local_formulas import ALIGNMENTS, assert_close, formula, numpy

BATCH, STEPS, KEYS, WIDTH, UNITS = 2, 5, 11, 3, 5
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(BATCH, STEPS, WIDTH)).astype("float32")
MEMORY = RNG.normal(size=(BATCH, KEYS, UNITS)).astype("float32")
MEMORY_MASK = np.ones((BATCH, KEYS), bool)
MEMORY_MASK[1, :2] = MEMORY_MASK[1, 7:] = False
INPUTS_MASK = np.array([[True] * STEPS, [False, True, True, False, True]])
MODES = {
    "before": {"attend": "before"},
    "after": {"attend": "after"},
    "feeding": {"attend": "after", "input_feeding": True},
}
every_mode = pytest.mark.parametrize("mode", MODES)
every_alignment = pytest.mark.parametrize("alignment", ALIGNMENTS)


def build(mode, alignment, window=2, **options):
    attention = LocalAttention(window, alignment, units=2, **options)
    cell = keras.layers.GRUCell(UNITS)
    decoder = AttentionDecoder(cell, attention, output_mode="both", **MODES[mode])
    decoder(INPUTS, MEMORY)
    rng = np.random.default_rng(1)
    decoder.set_weights([rng.normal(size=w.shape) for w in decoder.get_weights()])
    return decoder


def run(decoder, inputs_mask):
    return decoder(
        INPUTS,
        MEMORY,
        inputs_mask=inputs_mask,
        memory_mask=MEMORY_MASK,
        return_attention_scores=True,
    )


@every_mode
@every_alignment
@pytest.mark.parametrize("inputs_mask", [None, INPUTS_MASK], ids=["all", "padded"])
def test_attention_output_equals_the_formula_for_the_queries_of_the_cell(
    mode, alignment, inputs_mask
):
    decoder = build(mode, alignment)
    outputs, alignments = run(decoder, inputs_mask)
    queries, contexts = np.split(numpy(outputs), [UNITS], axis=-1)
    inputs_mask = np.ones_like(INPUTS_MASK) if inputs_mask is None else inputs_mask
    if mode == "before":  # the query is the state after the last unmasked step, or zero
        last = np.maximum.accumulate(inputs_mask * np.arange(1, STEPS + 1), axis=1)
        states = np.concatenate([np.zeros((BATCH, 1, UNITS)), queries], axis=1)
        queries = np.take_along_axis(states, np.pad(last, [(0, 0), (1, 0)])[:, :-1, None], axis=1)
    weights = [numpy(w).astype("float64") for w in decoder.attention.weights]
    mask, positions = np.repeat(MEMORY_MASK[:, None], STEPS, 1), np.cumsum(inputs_mask, 1) - 1
    expected = reference.for_each_sequence(
        lambda q, v, m, p: formula(decoder.attention, q, v, m, weights, p),
        queries, MEMORY, mask, positions,
    )  # fmt: skip
    assert_close([contexts, alignments], [x * inputs_mask[..., None] for x in expected], 1e-4)


@every_mode
@every_alignment
def test_single_steps_equal_one_call(mode, alignment):
    decoder = build(mode, alignment)
    outputs, alignments = map(numpy, run(decoder, None))
    memory = decoder.prepare(ops.convert_to_tensor(MEMORY), MEMORY_MASK)
    state = decoder.get_initial_state(BATCH)
    for t in range(STEPS):
        output, weights, state = decoder.step(ops.convert_to_tensor(INPUTS[:, t]), state, memory)
        assert_close([output, weights], [outputs[:, t], alignments[:, t]])


@every_mode
def test_window_moves_at_every_step_of_a_decoding_loop(mode):
    decoder = build(mode, "monotonic", window=1)
    memory = decoder.prepare(ops.convert_to_tensor(MEMORY), MEMORY_MASK)
    readout = ops.convert_to_tensor(RNG.normal(size=(UNITS + 2, 7)).astype("float32"))
    embedding = ops.convert_to_tensor(RNG.normal(size=(7, WIDTH)).astype("float32"))

    def step(tokens, state, memory):
        inputs = ops.take(embedding, tokens, axis=0)
        output, weights, state = decoder.step(inputs, state, memory)
        return ops.matmul(output, readout), state, weights

    arguments = {"state": decoder.get_initial_state(BATCH), "memory": memory}
    arguments |= {"start_token": 0, "end_token": -1, "max_length": 7, "memory_mask": MEMORY_MASK}
    starts, lengths = np.array([0, 2]), np.array([KEYS, 5])
    t, s = np.arange(7), np.arange(KEYS) - starts[:, None]
    is_in_window = abs(t[:, None] - s[:, None]) <= 1
    is_in_window &= ((s >= 0) & (s < lengths[:, None]))[:, None]
    for decoded in (
        decoding.greedy(step, **arguments).alignments,
        decoding.beam_search(step, beam_width=3, **arguments).alignments[:, 0],
        decoding.beam_search(step, beam_width=3, **arguments).alignments[:, 2],
    ):
        np.testing.assert_array_equal(numpy(decoded) > 0, is_in_window)


@every_mode
@every_alignment
def test_dropout_noise_is_one_seed_for_each_query(mode, alignment):
    decoder = build(mode, alignment, dropout=0.5, seed=3)
    memory = decoder.prepare(ops.convert_to_tensor(MEMORY), MEMORY_MASK)
    noise = decoder.attention.perturbation.sample(ops.convert_to_tensor(INPUTS), memory)
    assert tuple(noise.shape) == (BATCH, STEPS, 1)
    assert len(np.unique(numpy(noise))) == BATCH * STEPS
    dropped, _ = decoder(INPUTS, MEMORY, return_attention_scores=True, training=True)
    assert np.isfinite(numpy(dropped)).all()
    assert abs(numpy(dropped) - numpy(decoder(INPUTS, MEMORY))).max() > 0.01
