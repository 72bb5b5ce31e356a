"""What an AttentionDecoder computes. How it may be called: test_attention_decoder_calls.py."""

import keras
import numpy as np
import pytest
from keras import ops

from tests import reference
from tests.finite_differences import assert_gradients_are_differences
from tests.layers.recurrent.decoder_formulas import (
    CELLS,
    INPUTS,
    MEMORY,
    MEMORY_MASK,
    STEPS,
    WAYS,
    built,
    expected,
    numpy,
    states,
)

every_cell = pytest.mark.parametrize("cell", CELLS)
every_way = pytest.mark.parametrize("way", WAYS)
REAL = np.array([[True] * STEPS, [True, True, False, True, False]])
EVERYTHING = {"return_attention_scores": True, "return_state": True}


def flat(state):
    return np.concatenate([numpy(x) for x in keras.tree.flatten(state.cell)], axis=-1)


def formulas(decoder, cell, real=REAL):
    batch = zip(INPUTS, real, MEMORY, MEMORY_MASK, *states(cell), strict=True)
    sequences = [expected(decoder, cell, *row[:4], list(row[4:])) for row in batch]
    return [np.stack(parts) for parts in zip(*sequences, strict=True)]


def run(decoder, cell, real=REAL, **options):
    return decoder(
        INPUTS,
        MEMORY,
        initial_state=states(cell),
        inputs_mask=real,
        memory_mask=MEMORY_MASK,
        **{**EVERYTHING, **options},
    )


@every_cell
@every_way
def test_it_is_the_papers_loop(cell, way):
    decoder = built(cell, way, output_mode="both")
    outputs, alignments, state = run(decoder, cell)
    cell_outputs, read, weights, last = formulas(decoder, cell)
    wanted = np.concatenate([cell_outputs, read], -1)
    np.testing.assert_allclose(numpy(outputs), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numpy(alignments), weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(flat(state), last, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(numpy(outputs)[~REAL], 0)
    np.testing.assert_array_equal(numpy(alignments)[~REAL], 0)


@every_way
def test_the_output_mode_chooses_among_what_a_step_has(way):
    both = built("lstm", way, "both")
    found = numpy(run(both, "lstm")[0])
    parts = {"cell": found[..., :2], "attention": found[..., 2:]}
    parts[None] = parts["cell" if way == "before" else "attention"]
    for mode, wanted in parts.items():
        outputs = run(built("lstm", way, mode), "lstm")[0]
        np.testing.assert_allclose(numpy(outputs), wanted, atol=1e-6)


@every_cell
@every_way
def test_step_by_step_gives_what_one_call_gives(cell, way):
    decoder = built(cell, way)
    outputs, alignments, last = run(decoder, cell, real=None)
    memory = decoder.prepare(ops.convert_to_tensor(MEMORY), MEMORY_MASK)
    state = decoder.get_initial_state(len(INPUTS), [ops.convert_to_tensor(s) for s in states(cell)])
    for t in range(STEPS):
        output, alignment, state = decoder.step(ops.convert_to_tensor(INPUTS[:, t]), state, memory)
        np.testing.assert_allclose(numpy(output), numpy(outputs)[:, t], atol=1e-5)
        np.testing.assert_allclose(numpy(alignment), numpy(alignments)[:, t], atol=1e-5)
    np.testing.assert_allclose(flat(state), flat(last), atol=1e-5)


@every_way
def test_its_gradients_are_differences(way):
    decoder, real = built("gru", way, "both"), REAL
    factors = np.random.default_rng(3).normal(size=(2, STEPS, 7 if way == "before" else 4))
    factors = factors.astype("float32") / 10

    def loss(inputs, memory):
        outputs = decoder(inputs, memory, states("gru"), inputs_mask=real, memory_mask=MEMORY_MASK)
        return ops.sum(ops.multiply(outputs, factors))

    def formula(inputs, memory):
        def one(*row):
            output, read, *_ = expected(decoder, "gru", *row[:4], list(row[4:]))
            return np.concatenate([output, read], -1)

        found = reference.each(one, inputs, real, memory, MEMORY_MASK, *states("gru"))
        return np.sum(found * factors)

    found = assert_gradients_are_differences(
        loss, formula, [INPUTS, MEMORY], tolerance=2e-4, dtype="float32"
    )
    np.testing.assert_array_equal(found[0][~REAL], 0)
    np.testing.assert_array_equal(found[1][~MEMORY_MASK], 0)


@every_cell
@every_way
def test_padded_steps_leave_the_state_of_the_short_sequence(cell, way):
    decoder, real = built(cell, way), np.arange(STEPS) < np.array([[3], [3]])
    outputs, _, state = run(decoder, cell, real)
    short, _, state_of_short = decoder(
        INPUTS[:, :3], MEMORY, states(cell), memory_mask=MEMORY_MASK, **EVERYTHING
    )
    keras.tree.map_structure(
        lambda a, b: np.testing.assert_allclose(numpy(a), numpy(b), atol=1e-6),
        state,
        state_of_short,
    )
    np.testing.assert_allclose(numpy(outputs)[:, :3], numpy(short), atol=1e-6)


@every_way
def test_what_stands_in_padded_steps_cannot_matter(way):
    decoder = built("lstm", way)
    poisoned = np.where(REAL[..., None], INPUTS, np.float32(np.nan))
    found = decoder(poisoned, MEMORY, states("lstm"), inputs_mask=REAL, memory_mask=MEMORY_MASK)
    np.testing.assert_array_equal(numpy(found), numpy(run(decoder, "lstm")[0]))


@every_way
def test_a_decoder_without_any_real_step_keeps_its_first_state(way):
    _, alignments, state = run(built("stack", way), "stack", np.zeros_like(REAL))
    np.testing.assert_array_equal(flat(state), np.concatenate(states("stack"), -1))
    np.testing.assert_array_equal(numpy(alignments), 0)
