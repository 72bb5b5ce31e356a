"""The recorded addresses of every step, in a functional model and in a SavedModel."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention.export.checks.fresh_process import run_calls

SHAPES = {
    "outputs": (5,),
    "read_addresses": (2, 7),
    "write_addresses": (3, 7),
    "reads": (2, 3),
    "additions": (3, 3),
}


def numpy(x):
    return ops.convert_to_numpy(x)


def make_cell(**options):
    return keras_attention.NTMCell(
        5, slots=7, width=3, read_heads=2, write_heads=3, controller_units=4, **options
    )


def data(batch=2, steps=3):
    return np.random.default_rng(0).normal(size=(batch, steps, 2)).astype("float32")


def build_recording_model():
    """Build a model whose outputs are the recorded steps by name; return it and its cell."""
    cell = make_cell(return_addresses=True)
    inputs = keras.Input((None, 2), name="inputs")
    outputs = keras.layers.RNN(cell, return_sequences=True)(inputs)
    return keras.Model(inputs, cell.split_outputs(outputs)._asdict()), cell


def test_recorded_parts_have_their_names_and_shapes_for_any_sizes():
    model, _ = build_recording_model()
    for batch, steps in ((2, 3), (1, 11)):
        actual = model(data(batch, steps))
        shapes = {name: tuple(x.shape) for name, x in actual.items()}
        assert shapes == {name: (batch, steps, *shape) for name, shape in SHAPES.items()}
        for name in ("read_addresses", "write_addresses"):
            np.testing.assert_allclose(numpy(actual[name]).sum(-1), 1, rtol=1e-5)


def test_returning_addresses_changes_neither_outputs_nor_weights():
    model, cell = build_recording_model()
    plain = keras.layers.RNN(make_cell(), return_sequences=True)
    plain(data())
    assert [w.shape for w in plain.weights] == [w.shape for w in cell.weights]
    plain.set_weights(cell.get_weights())
    np.testing.assert_allclose(numpy(model(data())["outputs"]), numpy(plain(data())), atol=1e-6)


def test_recorded_parts_match_the_states_of_every_step():
    model, cell = build_recording_model()
    actual = {name: numpy(x) for name, x in model(data()).items()}
    states = cell.get_initial_state(2)
    for t in range(3):
        output, states = cell(data()[:, t], states)
        *_, memory, reads, addresses = (numpy(x) for x in states)
        expected_addresses = np.concatenate(
            [actual["read_addresses"], actual["write_addresses"]], 2
        )[:, t]
        np.testing.assert_allclose(addresses.reshape(2, 5, 7), expected_addresses, atol=1e-6)
        np.testing.assert_allclose(reads.reshape(2, 2, 3), actual["reads"][:, t], atol=1e-6)
        one_step = cell.split_outputs(output)
        np.testing.assert_allclose(numpy(one_step.additions), actual["additions"][:, t], atol=1e-6)


def test_recorded_steps_survive_saving(tmp_path):
    model, _ = build_recording_model()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = model(data())
    for name, actual in loaded(data()).items():
        np.testing.assert_allclose(numpy(actual), numpy(expected[name]), atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="SavedModel needs TensorFlow")
def test_export_returns_the_addresses_in_the_signature_attention(tmp_path):
    recording_model, _ = build_recording_model()
    model = keras.Model(recording_model.input, recording_model.output["outputs"])

    def attention(inputs):
        steps = recording_model(inputs)
        return {name: steps[name] for name in ("read_addresses", "write_addresses")}

    path = keras_attention.export.saved_model(
        model, tmp_path / "ntm", signatures={"attention": (attention, model.inputs)}
    )
    arrays = {"inputs": data(3, 5)}
    names = "attention", "serving_default"
    actual, outputs = run_calls(path, [(name, arrays) for name in names])
    expected = recording_model(arrays["inputs"])
    for name in ("read_addresses", "write_addresses"):
        np.testing.assert_allclose(actual[name], numpy(expected[name]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs["output"], numpy(expected["outputs"]), rtol=1e-5, atol=1e-6)


def test_splitting_outputs_without_addresses_is_refused():
    with pytest.raises(ValueError, match="return_addresses=True.*return_addresses=False"):
        make_cell().split_outputs(np.zeros((2, 3, 5), "float32"))
    with pytest.raises(ValueError, match=r"of width 55. Received: .*\(2, 3, 5\)"):
        make_cell(return_addresses=True).split_outputs(np.zeros((2, 3, 5), "float32"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"slots": 2, "width": 3}, "shift_range=1, slots=2"),
        ({"shift_range": -1}, "shift_range=-1"),
        ({"controller": keras.layers.LSTMCell(3), "controller_units": 3}, "controller_units=3"),
        ({"controller": keras.layers.LSTMCell(3, dropout=0.1)}, "without dropout.*LSTMCell"),
        ({"controller": keras.layers.LSTM(3)}, "controller=<LSTM"),
        ({"controller": keras.layers.Dense(3)}, "controller=<Dense"),
    ],
)
def test_inconsistent_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"Expected .* Received: .*{message}|{message}"):
        keras_attention.NTMCell(5, **arguments)
