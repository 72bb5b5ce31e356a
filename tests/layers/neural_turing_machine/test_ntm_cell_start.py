"""The initial memory, addresses and reads of the NTM, and their gradients."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from tests.gradients import gradients

SIZES = {"slots": 7, "width": 3, "read_heads": 2, "controller_units": 5}


def numpy(x):
    return ops.convert_to_numpy(x)


def build_cell(**options):
    cell = keras_attention.NTMCell(5, **{**SIZES, **options})
    run = keras.layers.RNN(cell, return_sequences=True)
    run(data())
    return cell, run


def data(batch=2):
    return np.random.default_rng(0).normal(size=(batch, 3, 2)).astype("float32")


def test_states_are_vectors_of_the_declared_widths():
    cell, _ = build_cell(return_addresses=True)
    states = cell.get_initial_state(batch_size=11)
    assert [tuple(x.shape) for x in states] == [(11, size) for size in cell.state_size]
    assert cell.state_size == [5 + 3 * 7 + 3 * 3, 5, 5, 7 * 3, 2 * 3, 3 * 7]
    assert all(isinstance(size, int) for size in cell.state_size)
    _, next_states = cell(data()[:, 0], cell.get_initial_state(2))
    assert [tuple(x.shape) for x in next_states] == [(2, size) for size in cell.state_size]


def test_constant_memory_starts_at_1e_6():
    *_, memory, _, _ = build_cell()[0].get_initial_state(2)
    np.testing.assert_allclose(numpy(memory), 1e-6, rtol=1e-6)


def test_learned_memory_starts_with_different_slots():
    *_, memory, _, _ = build_cell(memory_start="learned")[0].get_initial_state(2)
    slots = numpy(memory)[0].reshape(7, 3)
    assert np.abs(slots).max() < 1
    assert np.abs(slots[:, None] - slots)[~np.eye(7, dtype=bool)].max(-1).min() > 0


@pytest.mark.parametrize("address_start", ["learned", "first"])
def test_first_address_is_a_distribution_and_not_uniform(address_start):
    *_, addresses = build_cell(address_start=address_start)[0].get_initial_state(2)
    addresses = numpy(addresses).reshape(2, 3, 7)
    np.testing.assert_allclose(addresses.sum(-1), 1, rtol=1e-6)
    assert (addresses.max(-1) > 1.5 / 7).all()
    if address_start == "first":
        np.testing.assert_array_equal(addresses, np.broadcast_to(np.eye(7)[0], (2, 3, 7)))


def test_equal_slots_with_a_uniform_address_stay_equal():
    """A uniform initial address cannot break the symmetry of the slots, so it must not be used."""
    cell, run = build_cell()
    cell.address_weight.assign(np.zeros((3, 7)))
    *_, memory, _, _ = keras.layers.RNN(cell, return_state=True)(data())
    slots = numpy(memory).reshape(2, 7, 3)
    np.testing.assert_allclose(slots - slots[:, :1], 0, atol=1e-7)
    cell.address_weight.assign(np.random.default_rng(0).normal(size=(3, 7)))
    *_, memory, _, _ = keras.layers.RNN(cell, return_state=True)(data())
    slots = numpy(memory).reshape(2, 7, 3)
    assert np.abs(slots - slots[:, :1])[:, 1:].max(-1).min() > 1e-5


def test_every_learned_start_has_a_gradient():
    cell, run = build_cell(memory_start="learned")
    starts = [w for w in cell.trainable_variables if "_start" in w.path]
    assert [tuple(w.shape) for w in starts] == [(7, 3), (3, 7), (2, 3), (5,), (5,)]
    actual = gradients(lambda x: ops.sum(run(x) ** 2), [data()], starts)
    assert all(np.abs(gradient).max() > 0 for gradient in actual)
    step, *_ = gradients(lambda x: ops.sum(run(x)[:, 0] ** 2), [data()])
    assert np.abs(step[:, 0]).max() > 0


def test_initial_state_argument_replaces_the_learned_start():
    cell, run = build_cell()
    run_with_state = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    one_call = numpy(run(data()))
    first, *states = run_with_state(data()[:, :1])
    rest, *_ = run_with_state(data()[:, 1:], initial_state=states)
    concatenated = np.concatenate([numpy(first), numpy(rest)], 1)
    np.testing.assert_allclose(concatenated, one_call, atol=1e-6)


@pytest.mark.parametrize(
    "make_controller",
    [
        lambda: keras.layers.GRUCell(5),
        lambda: keras.layers.StackedRNNCells([keras.layers.LSTMCell(5), keras.layers.GRUCell(3)]),
        lambda: keras.layers.LSTMCell(5, dtype="mixed_float16"),
    ],
)
def test_custom_recurrent_cell_can_be_the_controller(make_controller, tmp_path):
    cell, run = build_cell(controller=make_controller(), controller_units=None)
    inputs = keras.Input((None, 2))
    model = keras.Model(inputs, run(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numpy(loaded(data())), numpy(model(data())), atol=1e-6)
    actual = gradients(lambda x: ops.sum(run(x) ** 2), [data()], cell.trainable_variables)
    assert all(np.abs(gradient).max() > 0 for gradient in actual)


def test_kernels_start_with_different_values():
    normal = keras.initializers.RandomNormal(stddev=1.0)
    for initializer in (normal, "he_normal"):
        cell, _ = build_cell(controller="feedforward", kernel_initializer=initializer)
        kernels = [layer.kernel for layer in (cell.controller, cell.to_heads, cell.to_output)]
        starts = [numpy(kernel).ravel()[:7] for kernel in kernels]
        for first, second in zip(starts, [*starts[1:], starts[0]], strict=True):
            assert np.corrcoef(first, second)[0, 1] < 0.99


def test_initial_state_of_an_unbuilt_cell_is_refused():
    with pytest.raises(ValueError, match="Expected a built cell.*not built"):
        keras_attention.NTMCell(3).get_initial_state(2)


def test_config_may_omit_arguments_with_defaults():
    assert keras_attention.NTMCell.from_config({"units": 3}).units == 3
