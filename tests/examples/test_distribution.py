"""Training an example on two devices or with two workers equals training it on one device."""

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest
from keras import ops
from tqdm.auto import tqdm

import keras_attention

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

import tensorflow as tf

from examples import distribution
from examples.gan import GAN
from examples.training import as_dataset
from keras_attention import export
from tests.examples.test_killed import load_checkpoints, train

slow = pytest.mark.slow
ci = pytest.mark.ci
real_data = [
    slow,
    pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR is not set"),
]
CASES = [  # an example's module, arguments of its main, and the relative tolerance of losses
    pytest.param("neural_turing_machine", {}, 1e-5, marks=ci),
    pytest.param("translate_dates", {}, 1e-5, marks=slow),
    pytest.param("pointer_network", {"task": "sort"}, 1e-4, marks=slow),
    pytest.param("pointer_network", {"task": "hull"}, 1e-4, marks=slow),  # has padding
    pytest.param("image_captioning", {}, 1e-4, marks=real_data),
    pytest.param("image_captioning", {"variant": "hard"}, 0.05, marks=real_data),  # other samples
    pytest.param("text_classification", {}, 1e-4, marks=real_data),
    pytest.param("translate", {}, 1e-4, marks=real_data),
    pytest.param("transformer", {}, 1e-4, marks=real_data),
    pytest.param("sagan", {}, 1e-4, marks=real_data),
    pytest.param("language_model", {}, 1e-4, marks=real_data),
    pytest.param("language_model", {"objective": "masked"}, 1e-4, marks=real_data),
]


def train_deterministically(module, *arguments, **kill_options):
    """Call `train` without dropout, whose mask differs per replica, and a GAN without XLA."""
    keras_attention.Dropout.call = lambda self, inputs, training=False: inputs
    if module == "sagan":  # replicas train without XLA, which generates other noise
        compile_gan = GAN.compile
        GAN.compile = lambda *args, **options: compile_gan(
            *args, **{**options, "jit_compile": False}
        )
    train(module, *arguments, **kill_options)


def start_training(module, options, folder, cluster=None, **kill_options):
    """Start a process that trains an example; `cluster` is the content of TF_CONFIG."""
    script = "from tests.examples.test_distribution import train_deterministically; "
    script += (
        f"train_deterministically({module!r}, {options!r}, {str(folder)!r}, **{kill_options!r})"
    )
    environment = {**os.environ, **({"TF_CONFIG": json.dumps(cluster)} if cluster else {})}
    output = tempfile.TemporaryFile("w+")  # the process would block on a pipe that is not read
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    return process, output


def wait_for(*processes, status=0):
    """Wait for processes and check that each ends with this status."""
    try:
        for process, output in processes:
            process.wait(timeout=900)
            output.seek(0)
            assert process.returncode == status, output.read()
    finally:
        for process, output in processes:
            process.kill()  # it may be waiting for a process that has failed
            process.wait()
            output.close()


def start_two_workers(module, options, folder, *kill_options_by_worker):
    """Start both processes of a training on this machine; the first one is the chief."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for free_port in sockets:
            free_port.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{free_port.getsockname()[1]}" for free_port in sockets]
    return [
        start_training(
            module,
            {**options, "strategy": "multi_worker_mirrored"},
            folder,
            {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}},
            **kill_options,
        )
        for index, kill_options in enumerate(kill_options_by_worker)
    ]


def assert_same_training(actual, expected, tolerance):
    actual, expected = load_checkpoints(actual), load_checkpoints(expected)
    assert actual.keys() == expected.keys() != set()
    for path, (arrays, curve) in expected.items():
        actual_arrays, actual_curve = actual[path]
        for actual_epoch, epoch in zip(actual_curve, curve, strict=True):
            assert actual_epoch.keys() == epoch.keys(), path
            losses = {name: value for name, value in epoch.items() if "loss" in name}
            actual_losses = {name: actual_epoch[name] for name in losses}
            assert actual_losses == pytest.approx(losses, rel=tolerance), path
        if tolerance <= 1e-5:
            for name, array in arrays.items():
                np.testing.assert_allclose(actual_arrays[name], array, atol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    """Return a function that trains an example on one device and returns its folder."""

    @functools.cache
    def train_once(module, **options):
        folder = tmp_path_factory.mktemp("one")
        wait_for(start_training(module, options, folder))
        return folder

    return train_once


@pytest.mark.parametrize(("module", "options", "tolerance"), CASES)
def test_two_devices_train_like_one(module, options, tolerance, one_device, tmp_path):
    wait_for(start_training(module, {**options, "strategy": "mirrored"}, tmp_path))
    assert_same_training(tmp_path, one_device(module, **options), tolerance)


@pytest.mark.parametrize(("module", "options", "tolerance"), CASES[1:])
def test_two_workers_train_like_one_device(module, options, tolerance, one_device, tmp_path):
    wait_for(*start_two_workers(module, options, tmp_path, {}, {}))
    assert_same_training(tmp_path, one_device(module, **options), tolerance)


@ci
def test_two_workers_killed_and_restarted_train_like_one_device(one_device, tmp_path):
    module = "neural_turing_machine"
    killed = start_two_workers(module, {}, tmp_path, {"kill_at_batch": 3}, {"kill_at_batch": 3})
    wait_for(*killed, status=-signal.SIGKILL)
    [(_, curve)] = load_checkpoints(tmp_path).values()
    assert len(curve) == 1
    # The second worker would die at the first file that it writes.
    wait_for(*start_two_workers(module, {}, tmp_path, {}, {"kill_at_file": 1}))
    assert_same_training(tmp_path, one_device(module), 1e-5)


def run_sagan(folder):
    """Run the whole GAN example on two devices and return its figures."""
    from examples import sagan

    folders = {name: f"{folder}/{name}" for name in ("runs", "pictures", "saved_models")}
    return sagan.main(quick=True, strategy="mirrored", **folders)


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR is not set")
def test_a_model_trained_on_two_devices_is_evaluated_drawn_and_exported(tmp_path):
    [figures] = evaluate_in_process(f"run_sagan({str(tmp_path)!r})")
    assert figures["Fréchet distance"] > 0
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 2
    _, problems = export.check(tmp_path / "saved_models/sagan_mnist_quick")
    assert problems == []


def train_on_one_and_two(make, batches, counted=None):
    """Return [(loss, weights without random states)] of one epoch on one device, and on two."""
    two, data, results = distribution.strategy("mirrored"), as_dataset(batches), []
    for devices in (distribution.strategy("none"), two):
        keras.utils.set_random_seed(0)
        with devices.scope():
            model = make()
            model.optimizer.build(model.trainable_variables)
        if devices is two:
            replicas = distribution.Replicas(model, counted)
            loss = replicas.fit(data, tqdm(disable=True))["loss"]
        else:
            loss = model.fit(data, shuffle=False, verbose=0).history["loss"][0]
        weights = [ops.convert_to_numpy(weight).tolist() for weight in model.weights]
        results.append((float(loss), weights))
    return results


def train_embeddings(clip):
    """Train an embedding, whose gradients are `IndexedSlices`, with clipped gradients."""

    def make():
        model = keras.Sequential([keras.layers.Embedding(9, 5), keras.layers.Dense(9)])
        model.build((None, None))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.05, **clip), loss, jit_compile=True)
        return model

    ids = [np.random.default_rng(i).integers(1, 9, size=(8, 4)).astype("int32") for i in range(5)]
    return train_on_one_and_two(make, [(x, 8 - x) for x in ids])


def train_on_padded_words():
    """Train on words of which the two halves of a batch have different shares of padding."""

    def make():
        model = keras.Sequential([keras.Input((None,), dtype="int32")])
        model.add(keras.layers.Embedding(9, 9))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
        model.compile(keras.optimizers.SGD(0.5), loss, jit_compile=True)
        return model

    ids = np.random.default_rng(0).integers(1, 9, size=(5, 8, 4)).astype("int32")
    ids[:, :4, 1:] = 0
    return train_on_one_and_two(make, [(x, x) for x in ids], tf.math.count_nonzero)


def train_on_equal_samples():
    """Train the entropy and the baseline of REINFORCE with equal values, which hide the samples."""

    def make():
        inputs = [keras.Input((1, 3)), keras.Input((5, 3)), keras.Input((5, 3))]
        outputs = keras.layers.Dense(1)(keras_attention.HardAttention("general", seed=1)(inputs))
        weights = {"reward_weight": 0.0, "entropy_weight": 0.5}
        model = keras_attention.ReinforceModel(inputs, outputs, **weights)
        model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=True)
        return model

    rng = np.random.default_rng(0)
    query, value, key = (rng.normal(size=(5, 8, n, 3)).astype("float32") for n in (1, 1, 5))
    value = np.repeat(value, 5, axis=2)  # all keys have the same value
    data = [(x, x[1][:, :1, :1]) for x in zip(query, value, key, strict=True)]
    return train_on_one_and_two(make, data)


def train_dropout():
    """Return each device's state of a dropout layer after two epochs of three batches."""
    with distribution.strategy("mirrored").scope():
        model = keras.Sequential([keras.Input((2,)), keras_attention.Dropout(0.5, seed=7)])
        model.add(keras.layers.Dense(1))
        model.compile("sgd", "mse", jit_compile=True)
        model.optimizer.build(model.trainable_variables)
    replicas = distribution.Replicas(model)
    data = as_dataset([(np.ones((4, 2)), np.ones((4, 1)))] * 3)
    for _ in range(2):
        replicas.fit(data, tqdm(disable=True))
    state = model.layers[0].seed_generator.state
    states = replicas.strategy.run(lambda: state.value + 0)
    local = replicas.strategy.experimental_local_results(states)
    return [value.numpy().tolist() for value in local]


def train_on_sizes(sizes):
    """Train on two devices with batches of these sizes; return the error or "trained"."""
    with distribution.strategy("mirrored").scope():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", jit_compile=False)
        model.optimizer.build(model.trainable_variables)
    data = as_dataset([(np.ones((n, 2), "float32"), np.ones((n, 1), "float32")) for n in sizes])
    try:
        distribution.Replicas(model).fit(data, tqdm(disable=True))
    except ValueError as error:
        return str(error)
    return "trained"


TRAININGS = (
    "train_embeddings({'clipnorm': 0.05})",
    "train_embeddings({'global_clipnorm': 0.05})",
    "train_on_padded_words()",
    "train_on_equal_samples()",
)
BATCH_SIZES = ((3, 8), (8, 8, 3), (8, 6))


def evaluate_in_process(*calls):
    """Evaluate calls of this file's functions in a separate process; return the results.

    The process presents its CPU as two devices. That must happen once, before TensorFlow computes
    anything.
    """
    script = "from tests.examples.test_distribution import *; "
    script += "distribution.strategy = functools.cache(distribution.strategy); "
    script += f"print(json.dumps([{', '.join(calls)}]))"
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def results():
    """Return {call: result} of the small training runs, which share one process."""
    calls = [*TRAININGS, "train_dropout()", *(f"train_on_sizes({sizes})" for sizes in BATCH_SIZES)]
    return dict(zip(calls, evaluate_in_process(*calls), strict=True))


@pytest.mark.parametrize("call", TRAININGS)
def test_two_devices_learn_the_weights_of_one(call, results):
    (loss, weights), (replicas_loss, replicas_weights) = results[call]
    assert replicas_loss == pytest.approx(loss, rel=1e-6)
    for actual, expected in zip(replicas_weights, weights, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_each_device_has_its_own_random_numbers(results):
    assert results["train_dropout()"] == [[7, 6], [8, 6]]


@pytest.mark.parametrize(("sizes", "size"), zip(BATCH_SIZES, (3, 3, None), strict=True))
def test_a_batch_that_cannot_be_divided_evenly_is_refused(sizes, size, results):
    message = "Expected batches that 2 replicas can share evenly. Received: a batch of"
    assert results[f"train_on_sizes({sizes})"] == (f"{message} {size}" if size else "trained")


def test_workers_without_addresses_are_refused(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="Expected the environment variable TF_CONFIG"):
        distribution.strategy("multi_worker_mirrored")


@pytest.mark.parametrize(
    ("cluster", "chief"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0)),
        ({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, ("chief", 0)),
    ],
)
def test_exactly_one_task_is_the_chief(cluster, chief, monkeypatch):
    # TensorFlow's strategy would wait for the other workers, so it is replaced.
    monkeypatch.setattr(distribution.tf.distribute, "MultiWorkerMirroredStrategy", object)
    monkeypatch.setattr(distribution, "clusters", [])
    chiefs = []
    for kind, addresses in cluster.items():
        for index in range(len(addresses)):
            config = {"cluster": cluster, "task": {"type": kind, "index": index}}
            monkeypatch.setenv("TF_CONFIG", json.dumps(config))
            distribution.strategy("multi_worker_mirrored")
            chiefs += [(kind, index)] if distribution.is_chief() else []
    assert chiefs == [chief]


def test_a_single_process_is_the_chief_whatever_tf_config_says(monkeypatch):
    config = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    distribution.strategy("none")
    assert distribution.is_chief()
