"""The examples' training resumes after SIGKILL, from the checkpoint of the last whole epoch."""

import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

import tensorflow as tf

from examples import training


def model():
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8)])
    net.add(keras.layers.Dropout(0.5))
    net.add(keras.layers.Dense(1))
    net.compile(keras.optimizers.Adam(0.01), "mse")
    return net


def batches(epoch):
    rng = np.random.default_rng(epoch)
    x = rng.normal(size=(40, 3)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, x.sum(1, keepdims=True))).batch(8)


def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path):
    uninterrupted, half, resumed = model(), model(), model()
    training.train(uninterrupted, batches, 4, tmp_path / "uninterrupted", {})
    training.train(half, batches, 2, tmp_path / "halves", {})
    training.train(resumed, batches, 4, tmp_path / "halves", {})
    for a, b in zip(uninterrupted.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert {path.name for path in (tmp_path / "halves").iterdir()} == {
        "checkpoint.npz",
        "settings.json",
    }


def test_a_killed_run_can_be_resumed(tmp_path):
    script = textwrap.dedent(
        f"""
        import os, signal
        from tests.examples.test_training import batches, model
        from examples import training
        def after(epoch):
            if epoch == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return {{}}
        training.train(model(), batches, 5, {str(tmp_path / "run")!r}, {{}}, after)
        """
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed, uninterrupted = model(), model()
    training.train(resumed, batches, 5, tmp_path / "run", {})
    training.train(uninterrupted, batches, 5, tmp_path / "uninterrupted", {})
    for a, b in zip(uninterrupted.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_partial_files_of_killed_runs_are_removed(tmp_path):
    for name in (".checkpoint.npz-1", ".settings.json-2"):
        (tmp_path / name).write_bytes(b"half")
    training.train(model(), batches, 1, tmp_path, {})
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.npz", "settings.json"}


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    training.train(model(), batches, 1, tmp_path, {"units": 4})
    with pytest.raises(ValueError, match="Received: settings={'units': 5}"):
        training.train(model(), batches, 2, tmp_path, {"units": 5})


def test_the_settings_of_a_run_without_a_checkpoint_are_replaced(tmp_path):
    def interrupt(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(model(), interrupt, 1, tmp_path, {"units": 4})
    training.train(model(), batches, 1, tmp_path, {"units": 5})


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    training.train(model(), batches, 1, tmp_path, {})
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    other.compile("adam", "mse")
    with pytest.raises(ValueError, match="with the shapes of this model's 8 variables"):
        training.train(other, batches, 2, tmp_path, {})


def test_the_duration_of_a_resumed_run_includes_all_epochs():
    curve = [{"minutes": 1.0, "processor minutes": 2.0}, {"minutes": 0.52, "processor minutes": 4}]
    assert training.sum_minutes(curve) == {
        "minutes of training": 1.5,
        "processor minutes of training": 6.0,
    }


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ValueError, match="Expected `runs` to be a writable folder"):
        training.train(model(), batches, 1, tmp_path / "file" / "run", {})


def test_the_curve_of_a_resumed_run_has_all_epochs(tmp_path):
    def figures(epoch):
        return {"number": np.float32(epoch)}

    first = training.train(model(), batches, 2, tmp_path, {}, figures)
    curve = training.train(model(), batches, 3, tmp_path, {}, figures)
    assert curve[:2] == first
    assert [epoch["number"] for epoch in curve] == [0, 1, 2]
    assert curve[2]["loss"] < curve[0]["loss"]
    assert all(epoch["processor minutes"] > 0 for epoch in curve)


def test_generated_batches_of_different_lengths_make_a_data_set():
    def generate_batches():
        for length in (3, 5):
            x = np.zeros((2, length, 7), "float32")
            yield (x, np.ones(2, "int32")), x[..., 0], x[..., 1]

    data = training.as_dataset(generate_batches, 2)
    assert int(data.cardinality()) == 2
    shapes = [inputs[0].shape for inputs, _, _ in data]
    assert shapes == [(2, 3, 7), (2, 5, 7)]
    (x, ints), target, _ = data.element_spec
    assert (x.shape[2], ints.dtype, target.shape.rank) == (7, tf.int32, 2)
