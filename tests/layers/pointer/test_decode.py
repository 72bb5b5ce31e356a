"""Decoding with a PointerDecoder, compared with loops and with exhaustive search."""

import numpy as np
import pytest

from tests.layers.pointer.pointer_formulas import (
    BATCH,
    ELEMENTS,
    MEMORY,
    MEMORY_MASK,
    POINTS,
    STATE,
    build_decoder,
    decode,
    formula,
    numpy,
    select_initial_state,
)

MASKED_SCORE = np.finfo("float32").min
with_and_without_an_end = pytest.mark.parametrize("end_slot", [False, True])
with_and_without_repeats = pytest.mark.parametrize("allow_repeats", [False, True])
every_beam_width = pytest.mark.parametrize("beam_width", [1, 3])


def pad_with_minus_one(sequences, length):
    return [[*indices, *[-1] * (length - len(indices))] for indices, _ in sequences]


@with_and_without_an_end
@with_and_without_repeats
def test_wide_beam_equals_exhaustive_search(end_slot, allow_repeats):
    decoder, elements = build_decoder(end_slot), slice(4)
    data = MEMORY[:, elements], POINTS[:, elements], MEMORY_MASK[:, elements]
    actual = decode(
        decoder,
        **dict(zip(["memory", "points", "memory_mask"], data, strict=True)),
        max_length=3 if allow_repeats else None,
        beam_width=100,  # 85 sequences of 3 with repeats and an end, 65 of 5 without repeats
        allow_repeats=allow_repeats,
        return_all_beams=True,
    )
    length = actual.indices.shape[-1]
    assert length == (3 if allow_repeats else 4 + end_slot)
    for row in range(BATCH):
        pointer = formula(decoder, row, data[1], data[0], data[2])
        expected = pointer.enumerate_sequences(select_initial_state(row), length, allow_repeats)
        count = len(expected)
        assert actual.indices[row, :count].tolist() == pad_with_minus_one(expected, length)
        totals = [total for _, total in expected]
        np.testing.assert_allclose(actual.log_probabilities[row, :count], totals, atol=1e-4)
        lengths = [len(indices) for indices, _ in expected]
        assert actual.lengths[row].tolist() == lengths + [0] * (100 - count)
        assert (actual.indices[row, count:] == -1).all()
        assert (actual.log_probabilities[row, count:] == MASKED_SCORE).all()


@with_and_without_an_end
@with_and_without_repeats
def test_greedy_takes_the_most_probable_element_at_every_step(end_slot, allow_repeats):
    decoder = build_decoder(end_slot, seed=2)
    actual = decode(decoder, max_length=7, allow_repeats=allow_repeats)
    for row in range(BATCH):
        pointer, state, indices, total = formula(decoder, row), select_initial_state(row), [], 0.0
        x = pointer.begin
        while len(indices) < 7 and (end_slot or pointer.count_left(indices, allow_repeats)):
            steps, state = pointer.step(x, state, () if allow_repeats else indices)
            indices.append(int(np.argmax(steps)))
            total += max(steps)
            if end_slot and indices[-1] == 0:
                break
            x = pointer.next_input(indices[-1])
        assert actual.indices[row].tolist() == pad_with_minus_one([(indices, total)], 7)[0]
        assert actual.lengths[row] == len(indices)
        np.testing.assert_allclose(actual.log_probabilities[row], total, atol=1e-4)


@every_beam_width
def test_decoding_without_repeats_and_end_gives_a_permutation(beam_width):
    actual = decode(build_decoder(), beam_width=beam_width)
    for indices, length, mask in zip(actual.indices, actual.lengths, MEMORY_MASK, strict=True):
        assert sorted(indices[:length]) == list(range(mask.sum()))
        assert (indices[length:] == -1).all()


@with_and_without_an_end
@with_and_without_repeats
@every_beam_width
def test_teacher_forcing_reproduces_decoded_probabilities(end_slot, allow_repeats, beam_width):
    decoder = build_decoder(end_slot)
    actual = decode(
        decoder,
        max_length=6,
        beam_width=beam_width,
        allow_repeats=allow_repeats,
        return_attention_scores=True,
    )
    forced, weights = decoder(
        actual.indices,
        MEMORY,
        POINTS,
        initial_state=STATE,
        memory_mask=MEMORY_MASK,
        mask_visited=not allow_repeats,
        return_attention_scores=True,
    )
    chosen = np.take_along_axis(numpy(forced), np.maximum(actual.indices, 0)[..., None], -1)
    total = np.sum(chosen[..., 0] * (actual.indices >= 0), -1)
    np.testing.assert_allclose(actual.log_probabilities, total, atol=1e-5)
    assert actual.weights.shape == (BATCH, 6, ELEMENTS + end_slot)
    np.testing.assert_allclose(actual.weights, numpy(weights), atol=1e-6)


def test_all_beams_are_sorted_best_first():
    decoder = build_decoder(True)
    best, beams = (decode(decoder, beam_width=5, return_all_beams=x) for x in (False, True))
    assert beams.indices.shape == (BATCH, 5, ELEMENTS + 1)
    for best_field, beams_field in zip(best[:3], beams[:3], strict=True):
        np.testing.assert_array_equal(beams_field[:, 0], best_field)
    greedy, one_beam = (decode(decoder, return_all_beams=x) for x in (False, True))
    np.testing.assert_array_equal(one_beam.indices[:, 0], greedy.indices)
    assert (np.diff(beams.log_probabilities, axis=1) <= 0).all()
