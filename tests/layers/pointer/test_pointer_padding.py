"""Decoding with padding, Keras masks, half precision, other cells and masked steps."""

import keras
import numpy as np
import pytest

from keras_attention import PointerDecoder
from tests.layers.pointer.pointer_formulas import (
    BATCH,
    ELEMENTS,
    MEMORY,
    MEMORY_MASK,
    POINTS,
    STATE,
    build_decoder,
    decode,
    numpy,
)

with_and_without_an_end = pytest.mark.parametrize("end_slot", [False, True])
with_and_without_repeats = pytest.mark.parametrize("allow_repeats", [False, True])
every_beam_width = pytest.mark.parametrize("beam_width", [1, 3])


@with_and_without_an_end
@every_beam_width
def test_content_of_padding_does_not_change_the_result(end_slot, beam_width):
    decoder = build_decoder(end_slot)
    actual = decode(decoder, max_length=6, beam_width=beam_width)
    padding = [[0, 0], [0, 3], [0, 0]]
    longer = decode(
        decoder,
        memory=np.pad(
            np.where(MEMORY_MASK[..., None], MEMORY, np.nan), padding, constant_values=np.inf
        ),
        points=np.pad(
            np.where(MEMORY_MASK[..., None], POINTS, np.nan), padding, constant_values=np.nan
        ),
        memory_mask=np.pad(MEMORY_MASK, padding[:2]),
        max_length=6,
        beam_width=beam_width,
    )
    np.testing.assert_array_equal(longer.indices, actual.indices)
    np.testing.assert_allclose(longer.log_probabilities, actual.log_probabilities, atol=1e-5)


@every_beam_width
def test_keras_mask_of_the_memory_is_used(beam_width):
    points = np.where(MEMORY_MASK[..., None], POINTS, np.float32(-1))
    memory = keras.layers.Masking(-1.0)(points)
    memory = keras.layers.LSTM(7, return_sequences=True, use_cudnn=False)(memory)
    decoder = build_decoder()
    options = {"points": points, "beam_width": beam_width}
    actual = decode(decoder, memory=memory, memory_mask=None, **options)
    np.testing.assert_array_equal(actual.indices, decode(decoder, memory=memory, **options).indices)
    assert actual.lengths.tolist() == MEMORY_MASK.sum(1).tolist()


@with_and_without_an_end
@with_and_without_repeats
@every_beam_width
def test_fully_masked_memory_ends_decoding_at_once(end_slot, allow_repeats, beam_width):
    actual = decode(
        build_decoder(end_slot),
        memory_mask=np.zeros_like(MEMORY_MASK),
        max_length=4,
        beam_width=beam_width,
        allow_repeats=allow_repeats,
    )
    assert actual.lengths.tolist() == [int(end_slot)] * BATCH
    assert actual.indices.tolist() == [[0 if end_slot else -1, -1, -1, -1]] * BATCH
    np.testing.assert_allclose(actual.log_probabilities, 0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_decodes_an_equally_probable_sequence(dtype):
    decoder, exact = build_decoder(dtype=dtype), build_decoder()
    actual, expected = (decode(layer, beam_width=200) for layer in (decoder, exact))
    np.testing.assert_allclose(actual.log_probabilities, expected.log_probabilities, atol=0.1)
    assert actual.log_probabilities.dtype == "float32"


def test_decoding_works_with_stacked_cells():
    cell = keras.layers.StackedRNNCells([keras.layers.GRUCell(3), keras.layers.LSTMCell(5)])
    decoder = PointerDecoder(7, cell=cell)
    indices = np.broadcast_to(np.arange(ELEMENTS), (BATCH, ELEMENTS))
    decoder(indices, MEMORY, POINTS)
    actual = numpy(decoder.decode(MEMORY, POINTS, beam_width=3))
    np.testing.assert_array_equal(np.sort(actual.indices, -1), indices)


INPUTS_MASK = np.array([[0, 1, 1, 0, 1, 0, 1], [1, 0, 0, 1, 0, 1, 1], [0, 0, 1, 1, 1, 0, 0]], bool)


@with_and_without_an_end
@pytest.mark.parametrize("mask_visited", [False, True])
@pytest.mark.parametrize("masked_target", [-1, 0, 2, 99])
def test_target_of_a_masked_step_does_not_change_the_result(end_slot, mask_visited, masked_target):
    decoder = build_decoder(end_slot)
    options = {"initial_state": STATE, "mask_visited": mask_visited, "return_state": True}
    expected = np.array([[1, 4, 3, 2], [2, 1, 0, 3], [4, 0, 1, 2]])
    indices, count = np.full(INPUTS_MASK.shape, masked_target), INPUTS_MASK.sum(1)
    for row, mask, targets in zip(indices, INPUTS_MASK, expected, strict=True):
        row[mask] = targets[: mask.sum()]
    actual, state = numpy(decoder(indices, MEMORY, POINTS, inputs_mask=INPUTS_MASK, **options))
    np.testing.assert_array_equal(actual[~INPUTS_MASK], 0)
    for i in range(BATCH):
        single_row = decoder(
            expected[i : i + 1, : count[i]],
            MEMORY[i : i + 1],
            POINTS[i : i + 1],
            **{**options, "initial_state": [x[i : i + 1] for x in STATE]},
        )
        steps, last = numpy(single_row)
        np.testing.assert_allclose(actual[i, INPUTS_MASK[i]], steps[0], atol=1e-5)
        np.testing.assert_allclose([x[i] for x in state], [x[0] for x in last], atol=1e-5)


def test_padded_steps_do_not_contribute_to_the_loss():
    decoder = build_decoder()
    labels = np.array([[1, 4, 3, 2], [2, 1, -1, -1], [4, -1, -1, -1]])
    actual = decoder(labels, MEMORY, POINTS)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    log_probabilities = np.take_along_axis(numpy(actual), np.maximum(labels, 0)[..., None], -1)[
        labels >= 0
    ]
    np.testing.assert_allclose(numpy(loss(labels, actual)), -log_probabilities.mean(), rtol=1e-5)


def test_target_may_point_to_a_masked_element_that_is_nan():
    decoder = build_decoder()
    poisoned = np.where(MEMORY_MASK[..., None], POINTS, np.float32(np.nan))
    targets = np.broadcast_to(np.arange(ELEMENTS)[::-1], (BATCH, ELEMENTS))
    actual = numpy(decoder(targets, MEMORY, poisoned, memory_mask=MEMORY_MASK))
    assert np.isfinite(actual).all()
