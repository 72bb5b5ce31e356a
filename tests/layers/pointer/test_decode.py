"""What a PointerDecoder points to by itself, next to loops that try everything."""

import numpy as np
import pytest

from tests.layers.pointer.pointer_formulas import (
    BATCH,
    ELEMENTS,
    MEMORY,
    POINTS,
    REAL,
    STATE,
    built,
    decode,
    formula,
    numpy,
    state_of,
)

LOWEST = np.finfo("float32").min
with_and_without_an_end = pytest.mark.parametrize("end_slot", [False, True])
with_and_without_repeats = pytest.mark.parametrize("allow_repeats", [False, True])
every_width = pytest.mark.parametrize("beam_width", [1, 3])


def padded(sequences, length):
    return [[*indices, *[-1] * (length - len(indices))] for indices, _ in sequences]


@with_and_without_an_end
@with_and_without_repeats
def test_a_wide_beam_finds_what_trying_everything_finds(end_slot, allow_repeats):
    decoder, few = built(end_slot), slice(4)
    data = MEMORY[:, few], POINTS[:, few], REAL[:, few]
    found = decode(
        decoder,
        **dict(zip(["memory", "points", "memory_mask"], data, strict=True)),
        max_length=3 if allow_repeats else None,
        beam_width=100,  # 85 sequences of 3 with repeats and an end, 65 of 5 without repeats
        allow_repeats=allow_repeats,
        return_all_beams=True,
    )
    length = found.indices.shape[-1]
    assert length == (3 if allow_repeats else 4 + end_slot)
    for row in range(BATCH):
        pointer = formula(decoder, row, data[1], data[0], data[2])
        wanted = pointer.everything(state_of(row), length, allow_repeats)
        count = len(wanted)
        assert found.indices[row, :count].tolist() == padded(wanted, length)
        totals = [total for _, total in wanted]
        np.testing.assert_allclose(found.log_probabilities[row, :count], totals, atol=1e-4)
        lengths = [len(indices) for indices, _ in wanted]
        assert found.lengths[row].tolist() == lengths + [0] * (100 - count)
        assert (found.indices[row, count:] == -1).all()
        assert (found.log_probabilities[row, count:] == LOWEST).all()


@with_and_without_an_end
@with_and_without_repeats
def test_greedy_takes_the_likeliest_at_every_step(end_slot, allow_repeats):
    decoder = built(end_slot, seed=2)
    found = decode(decoder, max_length=7, allow_repeats=allow_repeats)
    for row in range(BATCH):
        pointer, state, indices, total = formula(decoder, row), state_of(row), [], 0.0
        x = pointer.begin
        while len(indices) < 7 and (end_slot or pointer.left(indices, allow_repeats)):
            steps, state = pointer.step(x, state, () if allow_repeats else indices)
            indices.append(int(np.argmax(steps)))
            total += max(steps)
            if end_slot and indices[-1] == 0:
                break
            x = pointer.fed(indices[-1])
        assert found.indices[row].tolist() == padded([(indices, total)], 7)[0]
        assert found.lengths[row] == len(indices)
        np.testing.assert_allclose(found.log_probabilities[row], total, atol=1e-4)


@every_width
def test_without_repeats_and_end_every_element_comes_once(beam_width):
    found = decode(built(), beam_width=beam_width)
    for indices, length, real in zip(found.indices, found.lengths, REAL, strict=True):
        assert sorted(indices[:length]) == list(range(real.sum()))
        assert (indices[length:] == -1).all()


@with_and_without_an_end
@with_and_without_repeats
@every_width
def test_teacher_forcing_agrees_with_what_was_decoded(end_slot, allow_repeats, beam_width):
    decoder = built(end_slot)
    found = decode(
        decoder,
        max_length=6,
        beam_width=beam_width,
        allow_repeats=allow_repeats,
        return_attention_scores=True,
    )
    forced, weights = decoder(
        found.indices,
        MEMORY,
        POINTS,
        initial_state=STATE,
        memory_mask=REAL,
        mask_visited=not allow_repeats,
        return_attention_scores=True,
    )
    chosen = np.take_along_axis(numpy(forced), np.maximum(found.indices, 0)[..., None], -1)
    total = np.sum(chosen[..., 0] * (found.indices >= 0), -1)
    np.testing.assert_allclose(found.log_probabilities, total, atol=1e-5)
    assert found.weights.shape == (BATCH, 6, ELEMENTS + end_slot)
    np.testing.assert_allclose(found.weights, numpy(weights), atol=1e-6)


def test_all_beams_begin_with_the_best():
    decoder = built(True)
    best, beams = (decode(decoder, beam_width=5, return_all_beams=x) for x in (False, True))
    assert beams.indices.shape == (BATCH, 5, ELEMENTS + 1)
    for one, all_of_them in zip(best[:3], beams[:3], strict=True):
        np.testing.assert_array_equal(all_of_them[:, 0], one)
    greedy, one_beam = (decode(decoder, return_all_beams=x) for x in (False, True))
    np.testing.assert_array_equal(one_beam.indices[:, 0], greedy.indices)
    assert (np.diff(beams.log_probabilities, axis=1) <= 0).all()
