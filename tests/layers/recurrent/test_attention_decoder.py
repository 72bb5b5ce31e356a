"""Outputs of AttentionDecoder. Its calls are tested in test_attention_decoder_calls.py."""

import keras
import numpy as np
import pytest
from keras import ops

from tests import reference
from tests.finite_differences import assert_gradients_match
from tests.layers.recurrent.decoder_formulas import (
    CELLS,
    INPUTS,
    MEMORY,
    MEMORY_MASK,
    MODES,
    STEPS,
    build,
    compute_expected,
    make_states,
    numpy,
)

every_cell = pytest.mark.parametrize("cell", CELLS)
every_attend = pytest.mark.parametrize("attend", MODES)
INPUTS_MASK = np.array([[True] * STEPS, [True, True, False, True, False]])
ALL_RESULTS = {"return_attention_scores": True, "return_state": True}


def flatten_state(state):
    return np.concatenate([numpy(x) for x in keras.tree.flatten(state.cell)], axis=-1)


def formulas(decoder, cell, inputs_mask=INPUTS_MASK):
    batch = zip(INPUTS, inputs_mask, MEMORY, MEMORY_MASK, *make_states(cell), strict=True)
    sequences = [compute_expected(decoder, cell, *row[:4], list(row[4:])) for row in batch]
    return [np.stack(parts) for parts in zip(*sequences, strict=True)]


def run(decoder, cell, inputs_mask=INPUTS_MASK, **options):
    return decoder(
        INPUTS,
        MEMORY,
        initial_state=make_states(cell),
        inputs_mask=inputs_mask,
        memory_mask=MEMORY_MASK,
        **{**ALL_RESULTS, **options},
    )


@every_cell
@every_attend
def test_decoder_equals_the_loop_of_the_paper(cell, attend):
    decoder = build(cell, attend, output_mode="both")
    outputs, alignments, state = run(decoder, cell)
    cell_outputs, attended, weights, last = formulas(decoder, cell)
    expected_outputs = np.concatenate([cell_outputs, attended], -1)
    np.testing.assert_allclose(numpy(outputs), expected_outputs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numpy(alignments), weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(flatten_state(state), last, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(numpy(outputs)[~INPUTS_MASK], 0)
    np.testing.assert_array_equal(numpy(alignments)[~INPUTS_MASK], 0)


@every_attend
def test_output_mode_selects_the_output_of_a_step(attend):
    both = build("lstm", attend, "both")
    results = numpy(run(both, "lstm")[0])
    parts = {"cell": results[..., :2], "attention": results[..., 2:]}
    parts[None] = parts["cell" if attend == "before" else "attention"]
    for mode, expected_outputs in parts.items():
        outputs = run(build("lstm", attend, mode), "lstm")[0]
        np.testing.assert_allclose(numpy(outputs), expected_outputs, atol=1e-6)


@every_cell
@every_attend
def test_single_steps_equal_one_call(cell, attend):
    decoder = build(cell, attend)
    outputs, alignments, last = run(decoder, cell, inputs_mask=None)
    memory = decoder.prepare(ops.convert_to_tensor(MEMORY), MEMORY_MASK)
    state = decoder.get_initial_state(
        len(INPUTS), [ops.convert_to_tensor(s) for s in make_states(cell)]
    )
    for t in range(STEPS):
        output, alignment, state = decoder.step(ops.convert_to_tensor(INPUTS[:, t]), state, memory)
        np.testing.assert_allclose(numpy(output), numpy(outputs)[:, t], atol=1e-5)
        np.testing.assert_allclose(numpy(alignment), numpy(alignments)[:, t], atol=1e-5)
    np.testing.assert_allclose(flatten_state(state), flatten_state(last), atol=1e-5)


@every_attend
def test_gradients_equal_finite_differences(attend):
    decoder, inputs_mask = build("gru", attend, "both"), INPUTS_MASK
    factors = np.random.default_rng(3).normal(size=(2, STEPS, 7 if attend == "before" else 4))
    factors = factors.astype("float32") / 10

    def loss(inputs, memory):
        outputs = decoder(
            inputs, memory, make_states("gru"), inputs_mask=inputs_mask, memory_mask=MEMORY_MASK
        )
        return ops.sum(ops.multiply(outputs, factors))

    def formula(inputs, memory):
        def compute_sequence(*row):
            output, attended, *_ = compute_expected(decoder, "gru", *row[:4], list(row[4:]))
            return np.concatenate([output, attended], -1)

        results = reference.for_each_sequence(
            compute_sequence, inputs, inputs_mask, memory, MEMORY_MASK, *make_states("gru")
        )
        return np.sum(results * factors)

    results = assert_gradients_match(
        loss, formula, [INPUTS, MEMORY], tolerance=2e-4, dtype="float32"
    )
    np.testing.assert_array_equal(results[0][~INPUTS_MASK], 0)
    np.testing.assert_array_equal(results[1][~MEMORY_MASK], 0)


@every_cell
@every_attend
def test_padded_steps_do_not_change_the_state(cell, attend):
    decoder, inputs_mask = build(cell, attend), np.arange(STEPS) < np.array([[3], [3]])
    outputs, _, state = run(decoder, cell, inputs_mask)
    short, _, state_of_short = decoder(
        INPUTS[:, :3], MEMORY, make_states(cell), memory_mask=MEMORY_MASK, **ALL_RESULTS
    )
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(numpy(a), numpy(b), atol=1e-6),
        state,
        state_of_short,
    )
    np.testing.assert_allclose(numpy(outputs)[:, :3], numpy(short), atol=1e-6)


@every_attend
def test_contents_of_padded_steps_change_nothing(attend):
    decoder = build("lstm", attend)
    poisoned = np.where(INPUTS_MASK[..., None], INPUTS, np.float32(np.nan))
    results = decoder(
        poisoned, MEMORY, make_states("lstm"), inputs_mask=INPUTS_MASK, memory_mask=MEMORY_MASK
    )
    np.testing.assert_array_equal(numpy(results), numpy(run(decoder, "lstm")[0]))


@every_attend
def test_fully_masked_sequence_keeps_the_initial_state(attend):
    _, alignments, state = run(build("stack", attend), "stack", np.zeros_like(INPUTS_MASK))
    np.testing.assert_array_equal(flatten_state(state), np.concatenate(make_states("stack"), -1))
    np.testing.assert_array_equal(numpy(alignments), 0)
