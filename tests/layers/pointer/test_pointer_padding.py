"""Decoding sequences of different lengths, from other memories, in other dtypes, by other cells."""

import keras
import numpy as np
import pytest

from keras_attention import PointerDecoder
from tests.layers.pointer.pointer_formulas import (
    BATCH,
    ELEMENTS,
    MEMORY,
    POINTS,
    REAL,
    STATE,
    built,
    decode,
    numpy,
)

with_and_without_an_end = pytest.mark.parametrize("end_slot", [False, True])
with_and_without_repeats = pytest.mark.parametrize("allow_repeats", [False, True])
every_width = pytest.mark.parametrize("beam_width", [1, 3])


@with_and_without_an_end
@every_width
def test_padding_changes_nothing_whatever_stands_there(end_slot, beam_width):
    decoder = built(end_slot)
    found = decode(decoder, max_length=6, beam_width=beam_width)
    junk = [[0, 0], [0, 3], [0, 0]]
    longer = decode(
        decoder,
        memory=np.pad(np.where(REAL[..., None], MEMORY, np.nan), junk, constant_values=np.inf),
        points=np.pad(np.where(REAL[..., None], POINTS, np.nan), junk, constant_values=np.nan),
        memory_mask=np.pad(REAL, junk[:2]),
        max_length=6,
        beam_width=beam_width,
    )
    np.testing.assert_array_equal(longer.indices, found.indices)
    np.testing.assert_allclose(longer.log_probabilities, found.log_probabilities, atol=1e-5)


@every_width
def test_the_memorys_own_mask_is_taken(beam_width):
    points = np.where(REAL[..., None], POINTS, np.float32(-1))
    memory = keras.layers.Masking(-1.0)(points)
    memory = keras.layers.LSTM(7, return_sequences=True, use_cudnn=False)(memory)
    decoder = built()
    options = {"points": points, "beam_width": beam_width}
    found = decode(decoder, memory=memory, memory_mask=None, **options)
    np.testing.assert_array_equal(found.indices, decode(decoder, memory=memory, **options).indices)
    assert found.lengths.tolist() == REAL.sum(1).tolist()


@with_and_without_an_end
@with_and_without_repeats
@every_width
def test_where_there_is_nothing_to_point_to_it_ends(end_slot, allow_repeats, beam_width):
    found = decode(
        built(end_slot),
        memory_mask=np.zeros_like(REAL),
        max_length=4,
        beam_width=beam_width,
        allow_repeats=allow_repeats,
    )
    assert found.lengths.tolist() == [int(end_slot)] * BATCH
    assert found.indices.tolist() == [[0 if end_slot else -1, -1, -1, -1]] * BATCH
    np.testing.assert_allclose(found.log_probabilities, 0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_finds_a_sequence_as_likely(dtype):
    decoder, exact = built(dtype=dtype), built()
    found, wanted = (decode(each, beam_width=200) for each in (decoder, exact))
    np.testing.assert_allclose(found.log_probabilities, wanted.log_probabilities, atol=0.1)
    assert found.log_probabilities.dtype == "float32"


def test_any_cell_decodes():
    cell = keras.layers.StackedRNNCells([keras.layers.GRUCell(3), keras.layers.LSTMCell(5)])
    decoder = PointerDecoder(7, cell=cell)
    indices = np.broadcast_to(np.arange(ELEMENTS), (BATCH, ELEMENTS))
    decoder(indices, MEMORY, POINTS)
    found = numpy(decoder.decode(MEMORY, POINTS, beam_width=3))
    np.testing.assert_array_equal(np.sort(found.indices, -1), indices)


STEPS = np.array([[0, 1, 1, 0, 1, 0, 1], [1, 0, 0, 1, 0, 1, 1], [0, 0, 1, 1, 1, 0, 0]], bool)


@with_and_without_an_end
@pytest.mark.parametrize("mask_visited", [False, True])
@pytest.mark.parametrize("junk", [-1, 0, 2, 99])
def test_what_a_masked_step_points_to_cannot_matter(end_slot, mask_visited, junk):
    decoder = built(end_slot)
    options = {"initial_state": STATE, "mask_visited": mask_visited, "return_state": True}
    wanted = np.array([[1, 4, 3, 2], [2, 1, 0, 3], [4, 0, 1, 2]])
    indices, count = np.full(STEPS.shape, junk), STEPS.sum(1)
    for row, real, given in zip(indices, STEPS, wanted, strict=True):
        row[real] = given[: real.sum()]
    found, state = numpy(decoder(indices, MEMORY, POINTS, inputs_mask=STEPS, **options))
    np.testing.assert_array_equal(found[~STEPS], 0)
    for i in range(BATCH):
        alone = decoder(
            wanted[i : i + 1, : count[i]],
            MEMORY[i : i + 1],
            POINTS[i : i + 1],
            **{**options, "initial_state": [x[i : i + 1] for x in STATE]},
        )
        steps, last = numpy(alone)
        np.testing.assert_allclose(found[i, STEPS[i]], steps[0], atol=1e-5)
        np.testing.assert_allclose([x[i] for x in state], [x[0] for x in last], atol=1e-5)


def test_labels_of_padded_steps_cost_nothing():
    decoder = built()
    labels = np.array([[1, 4, 3, 2], [2, 1, -1, -1], [4, -1, -1, -1]])
    found = decoder(labels, MEMORY, POINTS)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    real = np.take_along_axis(numpy(found), np.maximum(labels, 0)[..., None], -1)[labels >= 0]
    np.testing.assert_allclose(numpy(loss(labels, found)), -real.mean(), rtol=1e-5)


def test_what_stands_in_a_masked_element_cannot_matter_even_if_it_is_pointed_to():
    decoder = built()
    poisoned = np.where(REAL[..., None], POINTS, np.float32(np.nan))
    targets = np.broadcast_to(np.arange(ELEMENTS)[::-1], (BATCH, ELEMENTS))
    found = numpy(decoder(targets, MEMORY, poisoned, memory_mask=REAL))
    assert np.isfinite(found).all()
