"""A PointerDecoder with teacher forcing. What it chooses itself: test_pointer_decoding.py."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.finite_differences import assert_gradients_are_differences
from tests.gradients import gradients
from tests.layers.pointer.pointer_formulas import (
    BATCH,
    ELEMENTS,
    MEMORY,
    POINTS,
    REAL,
    STATE,
    built,
    formula,
    numpy,
    state_of,
)

LOWEST = np.finfo("float32").min
TARGETS = {  # by end_slot
    False: np.array([[3, 1, 4, 0, 2], [2, 0, 1, -1, -1], [1, 3, 1, -1, -1]]),
    True: np.array([[3, 1, 4, 0, -1], [2, 3, 0, -1, -1], [1, 2, 1, 4, 0]]),
}
with_and_without_an_end = pytest.mark.parametrize("end_slot", [False, True])


def expected(decoder, targets, points=POINTS, memory=MEMORY, **options):
    """Log-probabilities as the layer gives them, and the last states."""
    columns = ELEMENTS + decoder.end_slot
    found, last = np.zeros((BATCH, targets.shape[1], columns)), []
    for row, indices in enumerate(targets):
        real = [i for i in indices if i >= 0]
        pointer = formula(decoder, row, points, memory)
        steps, state = pointer.teacher_forced(real, state_of(row), **options)
        found[row, : len(real)] = np.where(np.isinf(steps), LOWEST, steps)
        last.append(state)
    return found, last


@with_and_without_an_end
@pytest.mark.parametrize("mask_visited", [False, True])
def test_it_is_the_papers_loop(end_slot, mask_visited):
    decoder, targets = built(end_slot), TARGETS[end_slot]
    found, weights, last = decoder(
        targets,
        MEMORY,
        POINTS,
        initial_state=STATE,
        memory_mask=REAL,
        mask_visited=mask_visited,
        return_attention_scores=True,
        return_state=True,
    )
    wanted, states = expected(decoder, targets, mask_visited=mask_visited)
    np.testing.assert_allclose(numpy(found), wanted, rtol=1e-4, atol=1e-5)
    real = (targets >= 0)[..., None]
    np.testing.assert_allclose(numpy(weights), np.exp(wanted) * real, rtol=1e-4, atol=1e-6)
    for row, state in enumerate(states):
        for got, want in zip(numpy(last), state, strict=True):
            np.testing.assert_allclose(got[row], want, atol=1e-5)


@with_and_without_an_end
def test_indices_are_the_vectors_shifted_right_behind_the_begin_symbol(end_slot):
    decoder, targets = built(end_slot), TARGETS[end_slot]
    by_index = decoder(targets, MEMORY, POINTS, memory_mask=REAL)
    rows = np.maximum(targets - end_slot, 0)
    vectors = np.take_along_axis(POINTS, rows[..., None], 1)
    begin = np.broadcast_to(numpy(decoder.begin), (BATCH, 1, 2))
    shifted = np.concatenate([begin, vectors[:, :-1]], axis=1)
    by_vector = decoder(shifted, MEMORY, inputs_mask=targets >= 0, memory_mask=REAL)
    np.testing.assert_allclose(numpy(by_vector), numpy(by_index), atol=1e-6)


def test_without_an_initializer_it_begins_with_zeros():
    decoder = built(begin_initializer=None)
    assert [w.path.split("/")[-1] for w in decoder.weights].count("begin") == 0
    shifted = np.concatenate([np.zeros_like(POINTS[:, :1]), POINTS[:, :-1]], axis=1)
    indices = np.broadcast_to(np.arange(ELEMENTS), (BATCH, ELEMENTS))
    np.testing.assert_allclose(
        numpy(decoder(indices, MEMORY, POINTS)), numpy(decoder(shifted, MEMORY)), atol=1e-6
    )


def test_its_gradients_are_differences():
    decoder, targets = built(True), TARGETS[True]
    chosen = np.random.default_rng(3).normal(size=(BATCH, 5, ELEMENTS + 1)) / 10
    chosen[:, :, 1:] *= REAL[:, None]

    def loss(points, memory):
        found = decoder(targets, memory, points, initial_state=STATE, memory_mask=REAL)
        return ops.sum(ops.multiply(found, chosen.astype("float32")))

    def paper(points, memory):
        return np.sum(expected(decoder, targets, points, memory)[0] * chosen)

    found = assert_gradients_are_differences(
        loss, paper, [POINTS, MEMORY], tolerance=5e-4, dtype="float32"
    )
    for gradient in found:
        np.testing.assert_array_equal(gradient[~REAL], 0)
        assert np.abs(gradient[REAL]).max() > 0.01


@with_and_without_an_end
def test_a_keras_cross_entropy_of_them_is_minus_log_p(end_slot):
    decoder, targets = built(end_slot), TARGETS[end_slot]
    real = (targets >= 0).astype("float32")
    measure = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")

    def loss(memory):
        found = decoder(targets, memory, POINTS, memory_mask=REAL)
        return measure(np.maximum(targets, 0), found, sample_weight=real)

    found = numpy(decoder(targets, MEMORY, POINTS, memory_mask=REAL))
    chosen = np.take_along_axis(found, np.maximum(targets, 0)[..., None], -1)[..., 0]
    assert chosen.min() > -50
    total = numpy(loss(ops.convert_to_tensor(MEMORY)))
    np.testing.assert_allclose(total, -np.sum(chosen * real), rtol=1e-5)
    of_memory, *of_weights = gradients(loss, [MEMORY], decoder.trainable_variables)
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in of_weights)
    np.testing.assert_array_equal(of_memory[~REAL], 0)


def test_improbable_is_not_impossible():
    decoder = built()
    decoder.score.scale.assign(200 * decoder.score.scale)
    found, weights = decoder(TARGETS[False], MEMORY, POINTS, return_attention_scores=True)
    found, weights = numpy(found), numpy(weights)
    assert (weights[0] == 0).any()
    assert np.abs(np.sort(found[0], -1)[:, 0]).min() > 100
    assert found.min() > -1e5


def test_a_pointer_without_elements_points_nowhere_and_learns_nothing():
    decoder, nothing = built(), np.zeros_like(REAL)

    def loss(points, memory):
        found = decoder(TARGETS[False], memory, points, memory_mask=nothing)
        return ops.sum(ops.exp(found) * np.float32(0.5)) + ops.sum(found * np.float32(0))

    found = numpy(decoder(TARGETS[False], MEMORY, POINTS, memory_mask=nothing))
    np.testing.assert_array_equal(found[TARGETS[False] >= 0], LOWEST)
    for gradient in gradients(loss, [POINTS, MEMORY], decoder.trainable_variables):
        np.testing.assert_array_equal(gradient, 0)
