"""The examples' training on two devices, and by two workers, learns what one device learns."""

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
from tests.examples.test_killed import checkpoints, train

slow = pytest.mark.slow
real_data = [
    slow,
    pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR has the data"),
]
CASES = [  # a module of examples, options of its main, and how far losses may differ
    pytest.param("neural_turing_machine", {}, 1e-5),
    pytest.param("translate_dates", {}, 1e-5, marks=slow),
    pytest.param("pointer_network", {"task": "sort"}, 1e-4, marks=slow),
    pytest.param("pointer_network", {"task": "hull"}, 1e-4, marks=slow),  # padded
    pytest.param("image_captioning", {}, 1e-4, marks=real_data),
    pytest.param("image_captioning", {"variant": "hard"}, 0.05, marks=real_data),  # other samples
    pytest.param("text_classification", {}, 1e-4, marks=real_data),
    pytest.param("translate", {}, 1e-4, marks=real_data),
    pytest.param("transformer", {}, 1e-4, marks=real_data),
    pytest.param("sagan", {}, 1e-4, marks=real_data),
]


def train_still(module, *arguments, **dies):
    """`train` without dropout, which each share draws for itself, and a GAN without XLA."""
    keras.layers.Dropout.call = lambda self, inputs, training=False: inputs
    if module == "sagan":  # XLA draws other noise, and replicas do without it
        compiled = GAN.compile
        GAN.compile = lambda *given, **options: compiled(
            *given, **{**options, "jit_compile": False}
        )
    train(module, *arguments, **dies)


def begin(module, options, folder, cluster=None, **dies):
    """A process that trains an example; `cluster` is what TF_CONFIG holds."""
    script = "from tests.examples.test_distribution import train_still; "
    script += f"train_still({module!r}, {options!r}, {str(folder)!r}, **{dies!r})"
    environment = {**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    environment |= {"TF_CONFIG": json.dumps(cluster)} if cluster else {}
    said = tempfile.TemporaryFile("w+")  # a pipe that nobody reads yet would stop it
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
    return process, said


def end(*processes, status=0):
    """Waits for processes, all of which have to end with a status."""
    try:
        for process, said in processes:
            process.wait(timeout=900)
            said.seek(0)
            assert process.returncode == status, said.read()
    finally:
        for process, said in processes:
            process.kill()  # one that waits for another in vain
            process.wait()
            said.close()


def two_workers(module, options, folder, *dies):
    """Both processes of a training on this machine, the chief's first."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{each.getsockname()[1]}" for each in found]
    return [
        begin(
            module,
            {**options, "strategy": "multi_worker_mirrored"},
            folder,
            {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}},
            **told,
        )
        for index, told in enumerate(dies)
    ]


def assert_alike(found, expected, tolerance):
    found, expected = checkpoints(found), checkpoints(expected)
    assert found.keys() == expected.keys() != set()
    for path, (arrays, curve) in expected.items():
        found_arrays, found_curve = found[path]
        for one, other in zip(found_curve, curve, strict=True):
            assert one.keys() == other.keys(), path
            costs = {name: each for name, each in other.items() if "loss" in name}
            assert {name: one[name] for name in costs} == pytest.approx(costs, rel=tolerance), path
        if tolerance <= 1e-5:
            for name, array in arrays.items():
                np.testing.assert_allclose(found_arrays[name], array, atol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    """A function that gives the folder of an example's training on one device."""

    @functools.cache
    def trained(module, **options):
        folder = tmp_path_factory.mktemp("one")
        end(begin(module, options, folder))
        return folder

    return trained


@pytest.mark.parametrize(("module", "options", "tolerance"), CASES)
def test_two_devices_learn_what_one_learns(module, options, tolerance, one_device, tmp_path):
    end(begin(module, {**options, "strategy": "mirrored"}, tmp_path))
    assert_alike(tmp_path, one_device(module, **options), tolerance)


@pytest.mark.parametrize(("module", "options", "tolerance"), CASES[1:])
def test_two_workers_learn_what_one_device_learns(module, options, tolerance, one_device, tmp_path):
    end(*two_workers(module, options, tmp_path, {}, {}))
    assert_alike(tmp_path, one_device(module, **options), tolerance)


def test_two_workers_killed_and_begun_again_learn_what_one_device_learns(one_device, tmp_path):
    module = "neural_turing_machine"
    dying = two_workers(module, {}, tmp_path, {"dies_at": 3}, {"dies_at": 3})
    end(*dying, status=-signal.SIGKILL)
    [(_, curve)] = checkpoints(tmp_path).values()
    assert len(curve) == 1
    # The one that is not the chief would die at the first file that it writes.
    end(*two_workers(module, {}, tmp_path, {}, {"dies_writing": 1}))
    assert_alike(tmp_path, one_device(module), 1e-5)


def whole_sagan(folder):
    """The figures of a GAN of two devices, when all is done."""
    from examples import sagan

    folders = {name: f"{folder}/{name}" for name in ("runs", "pictures", "saved_models")}
    return sagan.main(quick=True, strategy="mirrored", **folders)


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR has the data")
def test_what_two_devices_have_learned_is_measured_drawn_and_served(tmp_path):
    assert in_a_process(f"whole_sagan({str(tmp_path)!r})")["Fréchet distance"] > 0
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 2
    _, problems = export.check(tmp_path / "saved_models/sagan_mnist_quick")
    assert problems == []


def on_both(make, batches, counted=None):
    """[(loss, weights that are not random states)] of one epoch on one device, and on two."""
    two, data, found = distribution.strategy("mirrored"), as_dataset(batches), []
    for devices in (distribution.strategy("none"), two):
        keras.utils.set_random_seed(0)
        with devices.scope():
            net = make()
            net.optimizer.build(net.trainable_variables)
        if devices is two:
            loss = distribution.Replicas(net, counted).fit(data, tqdm(disable=True))["loss"]
        else:
            loss = net.fit(data, shuffle=False, verbose=0).history["loss"][0]
        weights = [ops.convert_to_numpy(each).tolist() for each in net.weights]
        found.append((float(loss), weights))
    return found


def embeddings(clip):
    """What an embedding learns, whose gradients are slices."""

    def make():
        net = keras.Sequential([keras.layers.Embedding(9, 5), keras.layers.Dense(9)])
        net.build((None, None))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        net.compile(keras.optimizers.Adam(0.05, **clip), loss, jit_compile=True)
        return net

    ids = [np.random.default_rng(i).integers(1, 9, size=(8, 4)).astype("int32") for i in range(5)]
    return on_both(make, [(x, 8 - x) for x in ids])


def words():
    """What is learned of words where the halves of a batch have unlike shares of padding."""

    def make():
        net = keras.Sequential([keras.Input((None,), dtype="int32"), keras.layers.Embedding(9, 9)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
        net.compile(keras.optimizers.SGD(0.5), loss, jit_compile=True)
        return net

    ids = np.random.default_rng(0).integers(1, 9, size=(5, 8, 4)).astype("int32")
    ids[:, :4, 1:] = 0
    return on_both(make, [(x, x) for x in ids], tf.math.count_nonzero)


def samples():
    """What is learned from samples where it does not matter which: entropy and a baseline."""

    def make():
        inputs = [keras.Input((1, 3)), keras.Input((5, 3)), keras.Input((5, 3))]
        outputs = keras.layers.Dense(1)(keras_attention.HardAttention("general", seed=1)(inputs))
        weights = {"reward_weight": 0.0, "entropy_weight": 0.5}
        net = keras_attention.ReinforceModel(inputs, outputs, **weights)
        net.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=True)
        return net

    rng = np.random.default_rng(0)
    query, value, key = (rng.normal(size=(5, 8, n, 3)).astype("float32") for n in (1, 1, 5))
    value = np.repeat(value, 5, axis=2)  # all keys have one value
    return on_both(make, [(x, x[1][:, :1, :1]) for x in zip(query, value, key, strict=True)])


@pytest.mark.parametrize(
    "call",
    [
        "embeddings({'clipnorm': 0.05})",
        "embeddings({'global_clipnorm': 0.05})",
        "words()",
        "samples()",
    ],
)
def test_two_devices_learn_the_weights_that_one_learns(call):
    (loss, weights), (shared_loss, shared_weights) = in_a_process(call)
    assert shared_loss == pytest.approx(loss, rel=1e-6)
    for found, wanted in zip(shared_weights, weights, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def in_a_process(call):
    """What a call of one of this file's functions gives in a process of its own."""
    script = f"from tests.examples.test_distribution import *; print(json.dumps({call}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def random_states():
    """Of each device, the state of a layer that drops out, after two epochs of three batches."""
    with distribution.strategy("mirrored").scope():
        net = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5, seed=7)])
        net.add(keras.layers.Dense(1))
        net.compile("sgd", "mse", jit_compile=True)
        net.optimizer.build(net.trainable_variables)
    replicas = distribution.Replicas(net)
    data = as_dataset([(np.ones((4, 2)), np.ones((4, 1)))] * 3)
    for _ in range(2):
        replicas.fit(data, tqdm(disable=True))
    state = net.layers[0].seed_generator.state
    found = replicas.strategy.run(lambda: state.value + 0)
    return [each.numpy().tolist() for each in replicas.strategy.experimental_local_results(found)]


def test_each_device_draws_for_itself():
    assert in_a_process("random_states()") == [[7, 6], [8, 6]]


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
def test_one_task_alone_is_the_chief(cluster, chief, monkeypatch):
    # In place of TensorFlow's, which waits for the other workers.
    monkeypatch.setattr(distribution.tf.distribute, "MultiWorkerMirroredStrategy", object)
    monkeypatch.setattr(distribution, "joined", [])
    tasks = [(kind, index) for kind in cluster for index in range(len(cluster[kind]))]
    found = []
    for kind, index in tasks:
        told = {"cluster": cluster, "task": {"type": kind, "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(told))
        distribution.strategy("multi_worker_mirrored")
        found += [(kind, index)] if distribution.is_chief() else []
    assert found == [chief]


def test_who_trains_alone_is_the_chief_whatever_the_environment_says(monkeypatch):
    told = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(told))
    distribution.strategy("none")
    assert distribution.is_chief()


def fit_sizes(sizes):
    """Why two devices do not train on batches of such sizes, or that they do."""
    with distribution.strategy("mirrored").scope():
        net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        net.compile("sgd", "mse", jit_compile=False)
        net.optimizer.build(net.trainable_variables)
    data = as_dataset([(np.ones((n, 2), "float32"), np.ones((n, 1), "float32")) for n in sizes])
    try:
        distribution.Replicas(net).fit(data, tqdm(disable=True))
    except ValueError as error:
        return str(error)
    return "trained"


@pytest.mark.parametrize(("sizes", "size"), [((3, 8), 3), ((8, 8, 3), 3), ((8, 6), None)])
def test_a_batch_that_cannot_be_shared_out_is_refused(sizes, size):
    wanted = "Expected batches that 2 replicas can share out evenly. Received: a batch of"
    assert in_a_process(f"fit_sizes({sizes})") == (f"{wanted} {size}" if size else "trained")
