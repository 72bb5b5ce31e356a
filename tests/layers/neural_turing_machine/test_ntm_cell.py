"""The NTM cell compared with the paper's equations, finite differences and hand-made weights."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.layers.neural_turing_machine.head_parameters import (
    count_parameters,
    split_head_parameters,
)
from tests import reference_memory
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match
from tests.gradients import gradients

BATCH, STEPS, INPUTS, UNITS, SLOTS, WIDTH, CONTROLLER_UNITS = 2, 3, 2, 2, 5, 3, 2
SIZES = {"slots": SLOTS, "width": WIDTH, "controller_units": CONTROLLER_UNITS}


def numpy(x):
    return ops.convert_to_numpy(x)


def build_cell(seed=1, scale=0.5, **options):
    """Build a cell with seeded random weights and a `keras.layers.RNN` that runs it."""
    cell = keras_attention.NTMCell(UNITS, **{**SIZES, "return_addresses": True, **options})
    run = keras.layers.RNN(cell, return_sequences=True, dtype=options.get("dtype"))
    run.build((None, None, INPUTS))
    rng = np.random.default_rng(seed)
    cell.set_weights([scale * rng.normal(size=w.shape) for w in cell.get_weights()])
    return cell, run


def inputs(steps=STEPS, batch=BATCH):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, steps, INPUTS)).astype("float32")


KINDS = [
    {"controller": "lstm"},
    {"controller": "feedforward"},
    {"controller": "feedforward", "read_heads": 2, "write_heads": 2, "shift_range": 2},
    {"controller": "lstm", "read_heads": 3, "clip": None},
    {"controller": "lstm", "write_heads": 2, "shift_range": 0},
]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


@every_kind
def test_matches_the_papers_equations(kind):
    cell, run = build_cell(scale=1.5, **kind)
    steps = cell.split_outputs(run(inputs(7)))
    for n, x in enumerate(inputs(7)):
        outputs, addresses, _ = reference_memory.machine(
            x, *cell.get_weights(), slots=SLOTS, write_heads=cell.write_heads
        )
        np.testing.assert_allclose(numpy(steps.outputs)[n], outputs, atol=2e-5)
        actual = np.concatenate([numpy(steps.read_addresses), numpy(steps.write_addresses)], 2)
        np.testing.assert_allclose(actual[n], addresses, atol=2e-5)


@every_kind
def test_gradients_through_three_steps_match_finite_differences(kind):
    cell, run = build_cell(dtype=GRAD_DTYPE, **kind)
    upstream = np.random.default_rng(2).normal(size=(STEPS, UNITS))

    def loss(x):
        outputs = cell.split_outputs(run(x)).outputs
        return ops.sum(ops.multiply(outputs, ops.cast(upstream, outputs.dtype)))

    def formula(x, *weights):
        outputs, *_ = reference_memory.machine(
            x[0], *weights, slots=SLOTS, write_heads=cell.write_heads
        )
        return float((outputs * upstream).sum())

    actual = assert_gradients_match(
        loss, formula, [inputs(batch=1)], cell.trainable_variables, tolerance=2e-4
    )
    assert all(np.abs(gradient).max() > 0 for gradient in actual)


def test_head_parameters_are_in_their_ranges_and_clipped():
    shape = {"heads": 2, "write_heads": 1, "width": WIDTH, "shifts": 3}
    count = count_parameters(**shape)
    assert count == 2 * (WIDTH + 6) + 2 * WIDTH  # M + 6 for each head, and 2M for each write head
    for numbers in (np.zeros((1, count)), np.full((1, count), 20.0), np.full((1, count), -20.0)):
        head_parameters = split_head_parameters(ops.convert_to_tensor(numbers, "float32"), **shape)
        for name in ("strengths", "gates", "shifts", "erasures"):
            assert (numpy(getattr(head_parameters, name)) > 0).all()
        assert (numpy(head_parameters.sharpness) >= 1).all()
        np.testing.assert_allclose(numpy(head_parameters.shifts).sum(-1), 1, rtol=1e-6)
    cell, run = build_cell(clip=0.001)
    cell.to_heads.set_weights([1e6 * w for w in cell.to_heads.get_weights()])
    clipped = numpy(cell.split_outputs(run(inputs())).additions)
    np.testing.assert_allclose(np.abs(clipped), np.tanh(0.001), rtol=1e-4)


def test_heads_that_only_shift_rotate_a_one_hot_address():
    cell, run = build_cell(controller="feedforward", address_start="first", clip=None)
    kernel, bias = (np.zeros(w.shape) for w in cell.to_heads.get_weights())
    for start in (WIDTH, WIDTH + 6 + WIDTH):  # after the key of the read head and of the write head
        bias[start + 1], bias[start + 5] = -100, 100  # gate 0, all weight on the shift by +1
    erasure, addition = np.split(bias[-2 * WIDTH :], 2)  # views: writing to them changes `bias`
    erasure[:], addition[:] = 100, 0.5
    cell.to_heads.set_weights([kernel, bias])
    steps = cell.split_outputs(run(inputs(7)))
    rotated = np.eye(SLOTS)[[1, 2, 3, 4, 0, 1, 2]]
    np.testing.assert_allclose(numpy(steps.write_addresses)[0, :, 0], rotated, atol=1e-6)
    np.testing.assert_allclose(numpy(steps.read_addresses)[1, :, 0], rotated, atol=1e-6)
    # The cell reads before it writes: the first read of a slot returns its initial value, the
    # second the value written at the first visit.
    expected = np.r_[np.full(5, 1e-6), np.tanh([0.5, 0.5])][:, None] * np.ones(WIDTH)
    np.testing.assert_allclose(numpy(steps.reads)[0, :, 0], expected, rtol=1e-4)


def test_zero_memory_has_finite_gradients():
    cell, run = build_cell(memory_start="learned")
    cell.memory_weight.assign(np.zeros((SLOTS, WIDTH)))
    actual = gradients(lambda x: ops.sum(run(x) ** 2), [inputs()], cell.trainable_variables)
    assert all(np.isfinite(gradient).all() for gradient in actual)


def test_no_head_parameter_is_saturated_at_initialization():
    cell = keras_attention.NTMCell(8)
    run = keras.layers.RNN(cell)
    run(inputs(1, 64))
    control = np.random.default_rng(0).uniform(-1, 1, size=(64, 100)).astype("float32")
    numbers = numpy(cell.to_heads(control))
    assert np.abs(numbers).max() < 4
    assert numbers.std() < 1
