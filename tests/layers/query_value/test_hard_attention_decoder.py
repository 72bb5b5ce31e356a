"""Hard attention at every step of a decoder, as in Show, Attend and Tell."""

import keras
import numpy as np

from keras_attention import AttentionDecoder, HardAttention, ReinforceModel
from tests.finite_differences import central_differences
from tests.layers.query_value.hard_problems import (
    UNBIASED,
    assert_mean_is_near,
    gradients,
    per_example_parameter,
    repeat,
)
from tests.reference_hard import expected_cost_of_a_decoder

STEPS, PADDED_STEPS, KEYS, WIDTH = 2, 3, 3, 2
RNG = np.random.default_rng(0)
STATE, MEMORY, INPUTS = (
    RNG.normal(size=shape) for shape in [(WIDTH,), (KEYS, WIDTH), (PADDED_STEPS, WIDTH)]
)
WEIGHTS = [0.7 * RNG.normal(size=shape) for shape in [(4, WIDTH), (WIDTH, WIDTH), (WIDTH,)]]
TARGETS = np.tile([[1.5, -1.5]], (PADDED_STEPS, 1))
MASK = np.array([True] * STEPS + [False] * (PADDED_STEPS - STEPS))


def build_problem(inputs_array, **options):
    """Build a decoder with a trainable initial state; its third step is padding."""
    ids, inputs = keras.Input((), dtype="int32"), keras.Input((None, WIDTH))
    memory, mask = keras.Input((None, WIDTH)), keras.Input((None,), dtype="bool")
    state, table = per_example_parameter(ids, STATE)
    cell = keras.layers.SimpleRNNCell(WIDTH)
    attention = HardAttention("dot", expectation_rate=0.0, seed=1)
    decoder = AttentionDecoder(cell, attention)
    outputs = decoder(inputs, memory, initial_state=state, inputs_mask=mask)
    model = ReinforceModel([ids, inputs, memory, mask], outputs, **{**UNBIASED, **options})
    cell.set_weights(WEIGHTS)
    cell.trainable = False
    arrays = [
        repeat(inputs_array),
        repeat(MEMORY),
        repeat(MASK).astype(bool),
    ]
    return model, [table], [np.arange(len(arrays[0])), *arrays]


def test_mean_gradient_through_time_is_that_of_the_expected_cost():
    decoder = build_problem(INPUTS)
    step_weights = repeat(MASK)
    gradients(*decoder, TARGETS, step_weights)  # the first step sets the baseline
    [results] = gradients(*decoder, TARGETS, step_weights)

    def compute_expected(state):
        unmasked_inputs = INPUTS[:STEPS]
        cost = expected_cost_of_a_decoder(state, unmasked_inputs, MEMORY, *WEIGHTS, TARGETS)
        return cost / PADDED_STEPS  # Keras divides by all steps

    assert_mean_is_near(results, *central_differences(compute_expected, [STATE]))


def test_targets_of_masked_steps_do_not_change_the_gradient():
    changed_inputs = INPUTS + np.where(MASK[:, None], 0, 1000)
    results = [
        gradients(*build_problem(x, entropy_weight=1.0), TARGETS, repeat(MASK))[0]
        for x in (INPUTS, changed_inputs)
    ]
    np.testing.assert_array_equal(*results)
    assert np.abs(results[0]).max() > 0.01
