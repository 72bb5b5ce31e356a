"""Erasing and adding compared with their equations and with hand-made cases."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.memory import add, erase
from keras_attention.read import weighted_sum
from tests import reference_memory
from tests.finite_differences import assert_gradients_match

BATCH, HEADS, SLOTS, WIDTH = 2, 3, 7, 5


def numpy(x):
    return ops.convert_to_numpy(x)


def data():
    """Return memory, addresses, erasures and additions."""
    rng = np.random.default_rng(0)
    addresses = rng.dirichlet(np.ones(SLOTS), size=(BATCH, HEADS))
    shape = (BATCH, HEADS, WIDTH)
    memory = rng.normal(size=(BATCH, SLOTS, WIDTH))
    arrays = memory, addresses, rng.uniform(size=shape), rng.normal(size=shape)
    return [x.astype("float32") for x in arrays]


def write(memory, address, erasure, addition):
    return add(erase(memory, address, erasure), address, addition)


def compute_by_loops(*arrays):
    return np.array([reference_memory.write(*sequence) for sequence in zip(*arrays, strict=True)])


def test_write_applies_all_erasures_and_then_all_additions():
    np.testing.assert_allclose(numpy(write(*data())), compute_by_loops(*data()), atol=1e-6)


def test_gradient_matches_the_equations():
    upstream = np.random.default_rng(1).normal(size=(BATCH, SLOTS, WIDTH))

    def loss(*tensors):
        actual = write(*tensors)
        return ops.sum(ops.multiply(actual, ops.cast(upstream, actual.dtype)))

    assert_gradients_match(loss, lambda *a: float((compute_by_loops(*a) * upstream).sum()), data())


def test_write_at_a_one_hot_address_changes_only_that_slot():
    memory, _, _, addition = data()
    address = np.broadcast_to(np.eye(SLOTS, dtype="float32")[[4]], (BATCH, 1, SLOTS))
    new_memory = write(memory, address, np.ones((BATCH, 1, WIDTH), "float32"), addition[:, :1])
    np.testing.assert_array_equal(numpy(weighted_sum(address, new_memory)), addition[:, :1])
    other_slots = np.arange(SLOTS) != 4
    np.testing.assert_array_equal(numpy(new_memory)[:, other_slots], memory[:, other_slots])


def test_erasure_of_a_later_head_does_not_erase_additions():
    memory, _, _, addition = data()
    address = np.broadcast_to(np.eye(SLOTS, dtype="float32")[[2]], (BATCH, HEADS, SLOTS))
    new_memory = write(memory, address, np.ones((BATCH, HEADS, WIDTH), "float32"), addition)
    np.testing.assert_allclose(numpy(new_memory)[:, 2], addition.sum(1), rtol=1e-5)


def test_zero_erasure_and_addition_leave_the_memory_unchanged():
    memory, address, erasure, addition = data()
    new_memory = write(memory, address, np.zeros_like(erasure), np.zeros_like(addition))
    np.testing.assert_array_equal(numpy(new_memory), memory)


@pytest.mark.parametrize("index", [0, 1, 3])
def test_any_half_precision_argument_is_computed_in_float32(index):
    halves = [ops.cast(x, "float16") if n == index else x for n, x in enumerate(data())]
    exact = compute_by_loops(*[numpy(x).astype("float64") for x in halves])
    actual = write(*halves)
    assert keras.backend.standardize_dtype(actual.dtype) == "float32"
    np.testing.assert_allclose(numpy(actual), exact, atol=1e-5)
