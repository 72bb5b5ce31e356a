"""Each addressing step compared with its equation, hand-made cases, limits and gradients."""

import numpy as np
import pytest
from keras import ops

from keras_attention import memory
from keras_attention.normalize import softmax
from keras_attention.score import CosineScore
from tests import reference_memory
from tests.finite_differences import assert_gradients_match
from tests.gradients import gradients

BATCH, HEADS, SLOTS, WIDTH, SHIFTS = 2, 3, 7, 5, 5


def numpy(x):
    return ops.convert_to_numpy(x)


def distribution(rng, *shape):
    x = rng.exponential(size=shape)
    return (x / x.sum(-1, keepdims=True)).astype("float32")


def one_hot(slot, slots=SLOTS):
    return np.eye(slots, dtype="float32")[slot][None, None]


def make_arguments(name):
    """Return random arguments of a step, none of which is a limiting case."""
    rng = np.random.default_rng(0)
    address, previous = (distribution(rng, BATCH, HEADS, SLOTS) for _ in range(2))
    number = rng.uniform(size=(BATCH, HEADS)).astype("float32")
    key = rng.normal(size=(BATCH, HEADS, WIDTH)).astype("float32")
    memory_rows = rng.normal(size=(BATCH, SLOTS, WIDTH)).astype("float32")
    return {
        "content": [key, 9 * number, memory_rows],
        "interpolate": [address, previous, number],
        "shift": [address, distribution(rng, BATCH, HEADS, SHIFTS)],
        "sharpen": [address, 1 + 4 * number],
    }[name]


def compute_by_loops(name, *arguments):
    """Evaluate the step's equation for every head of every sequence."""
    if name == "content":
        key, strength, memory_rows = arguments
        arguments = key, strength, np.repeat(memory_rows[:, None], key.shape[1], axis=1)
    equation = getattr(reference_memory, name)
    sequences = zip(*arguments, strict=True)
    return np.array(
        [[equation(*head) for head in zip(*sequence, strict=True)] for sequence in sequences]
    )


every_step = pytest.mark.parametrize("name", ["content", "interpolate", "shift", "sharpen"])


@every_step
def test_step_matches_its_equation(name):
    arguments = make_arguments(name)
    actual = numpy(getattr(memory, name)(*arguments))
    np.testing.assert_allclose(actual, compute_by_loops(name, *arguments), atol=1e-6)


@every_step
def test_step_returns_a_distribution_for_a_single_sequence(name):
    arguments = [x[:1] for x in make_arguments(name)]
    actual = numpy(getattr(memory, name)(*arguments))
    assert actual.shape == (1, HEADS, SLOTS)
    assert (actual >= 0).all()
    np.testing.assert_allclose(actual.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(actual, compute_by_loops(name, *arguments), atol=1e-6)


@every_step
def test_gradient_matches_the_equation(name):
    arguments = make_arguments(name)
    upstream = np.random.default_rng(1).normal(size=(BATCH, HEADS, SLOTS))

    def loss(*tensors):
        actual = getattr(memory, name)(*tensors)
        return ops.sum(ops.multiply(actual, ops.cast(upstream, actual.dtype)))

    assert_gradients_match(
        loss, lambda *a: float((compute_by_loops(name, *a) * upstream).sum()), arguments
    )


@pytest.mark.parametrize(
    "slot, amount, expected_slot", [(2, 1, 3), (6, 1, 0), (0, -1, 6), (5, 2, 0)]
)
def test_shift_moves_a_one_hot_address_and_wraps(slot, amount, expected_slot):
    amounts = one_hot(2 + amount, SHIFTS)
    np.testing.assert_array_equal(
        numpy(memory.shift(one_hot(slot), amounts)), one_hot(expected_slot)
    )


def test_single_shift_of_zero_changes_nothing():
    address = make_arguments("shift")[0]
    actual = numpy(memory.shift(address, np.ones((BATCH, HEADS, 1), "float32")))
    np.testing.assert_array_equal(actual, address)


@pytest.mark.parametrize("sharpness", [1.0, 3.0, 21.0])
def test_sharpening_does_not_change_a_one_hot_address(sharpness):
    actual = numpy(memory.sharpen(one_hot(4), np.full((1, 1), sharpness, "float32")))
    np.testing.assert_allclose(actual, one_hot(4), atol=1e-10)


def test_sharpening_by_one_changes_nothing():
    address = make_arguments("sharpen")[0]
    actual = numpy(memory.sharpen(address, np.ones((BATCH, HEADS), "float32")))
    np.testing.assert_allclose(actual, address, atol=1e-6)


def test_gate_0_returns_the_previous_and_gate_1_the_new_address():
    address, previous, gate = make_arguments("interpolate")
    at_gate_0 = memory.interpolate(address, previous, np.zeros_like(gate))
    at_gate_1 = memory.interpolate(address, previous, np.ones_like(gate))
    np.testing.assert_array_equal(numpy(at_gate_0), previous)
    np.testing.assert_array_equal(numpy(at_gate_1), address)


def test_content_is_the_softmax_of_the_cosine_score():
    key, _, memory_rows = make_arguments("content")
    score = CosineScore(strength=7.0)
    expected = softmax(score(key, memory_rows))
    actual = memory.content(key, np.full((BATCH, HEADS), 7.0, "float32"), memory_rows)
    np.testing.assert_allclose(numpy(actual), numpy(expected), atol=1e-6)


def test_gradients_are_finite_for_zero_memory_and_key():
    key, strength, memory_rows = (np.zeros_like(x) for x in make_arguments("content"))
    actual = gradients(
        lambda *a: ops.sum(memory.content(*a)[..., 0] ** 2), [key, strength, memory_rows]
    )
    assert all(np.isfinite(g).all() for g in actual)
    uniform = numpy(memory.content(key, strength, memory_rows))
    np.testing.assert_allclose(uniform, np.full((BATCH, HEADS, SLOTS), 1 / SLOTS), rtol=1e-6)


def test_gradient_of_sharpening_is_finite_at_a_weight_of_zero():
    sharpness = np.full((1, 1), 2.5, "float32")
    actual = gradients(
        lambda a, s: ops.sum(memory.sharpen(a, s)[..., :3] ** 2), [one_hot(1), sharpness]
    )
    assert all(np.isfinite(g).all() for g in actual)


@every_step
def test_step_computes_half_precision_inputs_in_float32(name):
    halves = [ops.cast(x, "float16") for x in make_arguments(name)]
    actual = getattr(memory, name)(*halves)
    exact = compute_by_loops(name, *[numpy(x).astype("float64") for x in halves])
    np.testing.assert_allclose(numpy(actual), exact, atol=1e-6)
