"""A PointerDecoder with teacher forcing; test_decode.py tests its decoding loop."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.finite_differences import assert_gradients_match
from tests.gradients import gradients
from tests.layers.pointer.pointer_formulas import (
    BATCH,
    ELEMENTS,
    MEMORY,
    MEMORY_MASK,
    POINTS,
    STATE,
    build_decoder,
    formula,
    numpy,
    select_initial_state,
)

MASKED_SCORE = np.finfo("float32").min
TARGETS = {  # by end_slot
    False: np.array([[3, 1, 4, 0, 2], [2, 0, 1, -1, -1], [1, 3, 1, -1, -1]]),
    True: np.array([[3, 1, 4, 0, -1], [2, 3, 0, -1, -1], [1, 2, 1, 4, 0]]),
}
with_and_without_an_end = pytest.mark.parametrize("end_slot", [False, True])


def compute_expected(decoder, targets, points=POINTS, memory=MEMORY, **options):
    """Compute the expected log-probabilities, in the layer's format, and the last states."""
    columns = ELEMENTS + decoder.end_slot
    actual, last = np.zeros((BATCH, targets.shape[1], columns)), []
    for row, indices in enumerate(targets):
        pointed_to = [i for i in indices if i >= 0]
        pointer = formula(decoder, row, points, memory)
        steps, state = pointer.teacher_forced(pointed_to, select_initial_state(row), **options)
        actual[row, : len(pointed_to)] = np.where(np.isinf(steps), MASKED_SCORE, steps)
        last.append(state)
    return actual, last


@with_and_without_an_end
@pytest.mark.parametrize("mask_visited", [False, True])
def test_matches_the_papers_equations(end_slot, mask_visited):
    decoder, targets = build_decoder(end_slot), TARGETS[end_slot]
    actual, weights, last = decoder(
        targets,
        MEMORY,
        POINTS,
        initial_state=STATE,
        memory_mask=MEMORY_MASK,
        mask_visited=mask_visited,
        return_attention_scores=True,
        return_state=True,
    )
    expected, states = compute_expected(decoder, targets, mask_visited=mask_visited)
    np.testing.assert_allclose(numpy(actual), expected, rtol=1e-4, atol=1e-5)
    is_unmasked = (targets >= 0)[..., None]
    np.testing.assert_allclose(numpy(weights), np.exp(expected) * is_unmasked, rtol=1e-4, atol=1e-6)
    for row, state in enumerate(states):
        for actual_state, expected_state in zip(numpy(last), state, strict=True):
            np.testing.assert_allclose(actual_state[row], expected_state, atol=1e-5)


@with_and_without_an_end
def test_index_inputs_match_shifted_points_after_the_begin_symbol(end_slot):
    decoder, targets = build_decoder(end_slot), TARGETS[end_slot]
    by_index = decoder(targets, MEMORY, POINTS, memory_mask=MEMORY_MASK)
    rows = np.maximum(targets - end_slot, 0)
    vectors = np.take_along_axis(POINTS, rows[..., None], 1)
    begin = np.broadcast_to(numpy(decoder.begin), (BATCH, 1, 2))
    shifted = np.concatenate([begin, vectors[:, :-1]], axis=1)
    by_vector = decoder(shifted, MEMORY, inputs_mask=targets >= 0, memory_mask=MEMORY_MASK)
    np.testing.assert_allclose(numpy(by_vector), numpy(by_index), atol=1e-6)


def test_without_a_begin_initializer_the_begin_symbol_is_zero():
    decoder = build_decoder(begin_initializer=None)
    assert [w.path.split("/")[-1] for w in decoder.weights].count("begin") == 0
    shifted = np.concatenate([np.zeros_like(POINTS[:, :1]), POINTS[:, :-1]], axis=1)
    indices = np.broadcast_to(np.arange(ELEMENTS), (BATCH, ELEMENTS))
    np.testing.assert_allclose(
        numpy(decoder(indices, MEMORY, POINTS)), numpy(decoder(shifted, MEMORY)), atol=1e-6
    )


def test_gradients_match_finite_differences():
    decoder, targets = build_decoder(True), TARGETS[True]
    factors = np.random.default_rng(3).normal(size=(BATCH, 5, ELEMENTS + 1)) / 10
    factors[:, :, 1:] *= MEMORY_MASK[:, None]

    def loss(points, memory):
        actual = decoder(targets, memory, points, initial_state=STATE, memory_mask=MEMORY_MASK)
        return ops.sum(ops.multiply(actual, factors.astype("float32")))

    def formula_loss(points, memory):
        return np.sum(compute_expected(decoder, targets, points, memory)[0] * factors)

    actual = assert_gradients_match(
        loss, formula_loss, [POINTS, MEMORY], tolerance=5e-4, dtype="float32"
    )
    for gradient in actual:
        np.testing.assert_array_equal(gradient[~MEMORY_MASK], 0)
        assert np.abs(gradient[MEMORY_MASK]).max() > 0.01


@with_and_without_an_end
def test_keras_cross_entropy_is_the_negative_log_probability(end_slot):
    decoder, targets = build_decoder(end_slot), TARGETS[end_slot]
    is_unmasked = (targets >= 0).astype("float32")
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")

    def loss(memory):
        actual = decoder(targets, memory, POINTS, memory_mask=MEMORY_MASK)
        return cross_entropy(np.maximum(targets, 0), actual, sample_weight=is_unmasked)

    actual = numpy(decoder(targets, MEMORY, POINTS, memory_mask=MEMORY_MASK))
    chosen = np.take_along_axis(actual, np.maximum(targets, 0)[..., None], -1)[..., 0]
    assert chosen.min() > -50
    total = numpy(loss(ops.convert_to_tensor(MEMORY)))
    np.testing.assert_allclose(total, -np.sum(chosen * is_unmasked), rtol=1e-5)
    grad_memory, *grad_weights = gradients(loss, [MEMORY], decoder.trainable_variables)
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in grad_weights)
    np.testing.assert_array_equal(grad_memory[~MEMORY_MASK], 0)


def test_improbable_elements_keep_finite_log_probabilities():
    decoder = build_decoder()
    decoder.score.scale.assign(200 * decoder.score.scale)
    actual, weights = decoder(TARGETS[False], MEMORY, POINTS, return_attention_scores=True)
    actual, weights = numpy(actual), numpy(weights)
    assert (weights[0] == 0).any()
    assert np.abs(np.sort(actual[0], -1)[:, 0]).min() > 100
    assert actual.min() > -1e5


def test_fully_masked_memory_gives_zero_weights_and_gradients():
    decoder, all_masked = build_decoder(), np.zeros_like(MEMORY_MASK)

    def loss(points, memory):
        actual = decoder(TARGETS[False], memory, points, memory_mask=all_masked)
        return ops.sum(ops.exp(actual) * np.float32(0.5)) + ops.sum(actual * np.float32(0))

    actual = numpy(decoder(TARGETS[False], MEMORY, POINTS, memory_mask=all_masked))
    np.testing.assert_array_equal(actual[TARGETS[False] >= 0], MASKED_SCORE)
    for gradient in gradients(loss, [POINTS, MEMORY], decoder.trainable_variables):
        np.testing.assert_array_equal(gradient, 0)
