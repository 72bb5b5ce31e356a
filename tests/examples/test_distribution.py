"""The examples' training on two devices, and by two workers, learns what one device learns."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
from tqdm.auto import tqdm

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import distribution, image_captioning
from tests.examples.test_killed import checkpoints

slow = pytest.mark.slow
real_data = [
    slow,
    pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR has the data"),
]
CASES = [  # a module of examples, options of its main, and how far means over words may differ
    pytest.param("neural_turing_machine", {}, 1e-5),
    pytest.param("translate_dates", {}, 1e-5, marks=slow),
    pytest.param("pointer_network", {"task": "sort"}, 1e-4, marks=slow),
    pytest.param("image_captioning", {}, 0.03, marks=real_data),
    pytest.param("text_classification", {}, 0.1, marks=real_data),  # other dropout
    pytest.param("translate", {}, 0.03, marks=real_data),
    pytest.param("transformer", {}, 0.03, marks=real_data),
]


def begin(module, options, folder, cluster=None, **dies):
    """A process that trains an example; `cluster` is what TF_CONFIG holds."""
    script = "from tests.examples.test_killed import train; "
    script += f"train({module!r}, {options!r}, {str(folder)!r}, **{dies!r})"
    environment = {**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0"}
    environment |= {"TF_CONFIG": json.dumps(cluster)} if cluster else {}
    command = [sys.executable, "-c", script]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=environment, **pipes)


def end(process, status=0):
    """Waits for a process, which has to end with a status."""
    try:
        said, _ = process.communicate(timeout=900)
    finally:
        process.kill()  # one that waits for another in vain
    assert process.returncode == status, said


def two_workers(folder, *dies):
    """Both processes of a training on this machine, the chief's first."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{each.getsockname()[1]}" for each in found]
    options = {"strategy": "multi_worker_mirrored"}
    return [
        begin(
            "neural_turing_machine",
            options,
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
            assert one["loss"] == pytest.approx(other["loss"], rel=tolerance), path
        if tolerance <= 1e-5:
            for name, array in arrays.items():
                np.testing.assert_allclose(found_arrays[name], array, atol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    end(begin("neural_turing_machine", {}, folder))
    return folder


@pytest.mark.parametrize(("module", "options", "tolerance"), CASES)
def test_two_devices_learn_what_one_learns(module, options, tolerance, one_device, tmp_path):
    one, two = one_device, tmp_path / "two"
    if module != "neural_turing_machine":
        one = tmp_path / "one"
        one.mkdir()
        end(begin(module, options, one))
    two.mkdir()
    end(begin(module, {**options, "strategy": "mirrored"}, two))
    assert_alike(two, one, tolerance)


def test_two_workers_killed_and_begun_again_learn_what_one_device_learns(one_device, tmp_path):
    for process in two_workers(tmp_path, {"dies_at": 3}, {"dies_at": 3}):
        end(process, -signal.SIGKILL)
    [(_, curve)] = checkpoints(tmp_path).values()
    assert len(curve) == 1
    # The one that is not the chief would die at the first file that it writes.
    for process in two_workers(tmp_path, {}, {"dies_writing": 1}):
        end(process)
    assert_alike(tmp_path, one_device, 1e-5)


def losses_of_slices(clip):
    """Prints what an embedding costs on one device and on two, whose gradients are slices."""
    from examples.training import as_dataset

    two, rng = distribution.strategy("mirrored"), np.random.default_rng(0)
    ids = [rng.integers(1, 9, size=(8, 4)).astype("int32") for _ in range(5)]
    data, found = as_dataset([(x, 8 - x) for x in ids]), []
    for devices in (distribution.strategy("none"), two):
        keras.utils.set_random_seed(0)
        with devices.scope():
            net = keras.Sequential([keras.layers.Embedding(9, 5), keras.layers.Dense(9)])
            net.build((None, None))
            optimizer = keras.optimizers.Adam(0.05, **clip)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            net.compile(optimizer, loss, jit_compile=True)
            optimizer.build(net.trainable_variables)
        if devices is two:
            found.append(distribution.Replicas(net).fit(data, tqdm(disable=True))["loss"])
        else:
            found.append(net.fit(data, shuffle=False, verbose=0).history["loss"][0])
    print(json.dumps(found))


@pytest.mark.parametrize("clip", [{"clipnorm": 0.05}, {"global_clipnorm": 0.05}])
def test_slices_are_clipped_as_on_one_device(clip):
    script = "from tests.examples.test_distribution import losses_of_slices as go; "
    command = [sys.executable, "-c", script + f"go({clip!r})"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    one, two = json.loads(done.stdout)
    assert two == pytest.approx(one, rel=1e-6)


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
    """Prints why two devices do not train on batches of such sizes."""
    from examples.training import as_dataset

    with distribution.strategy("mirrored").scope():
        net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        net.compile("sgd", "mse", jit_compile=False)
        net.optimizer.build(net.trainable_variables)
    data = as_dataset([(np.ones((n, 2), "float32"), np.ones((n, 1), "float32")) for n in sizes])
    try:
        distribution.Replicas(net).fit(data, tqdm(disable=True))
        print(json.dumps(["trained"]))
    except ValueError as error:
        print(json.dumps([str(error)]))


@pytest.mark.parametrize(("sizes", "size"), [((3, 8), 3), ((8, 8, 3), 3), ((8, 6), None)])
def test_a_batch_that_cannot_be_shared_out_is_refused(sizes, size):
    script = f"from tests.examples.test_distribution import fit_sizes as go; go({sizes})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = "Expected batches that 2 replicas can share out evenly. Received: a batch of"
    assert json.loads(done.stdout) == [f"{wanted} {size}" if size else "trained"]


def test_hard_attention_is_for_one_device():
    with pytest.raises(ValueError, match="Received: strategy='mirrored', variant='hard'"):
        image_captioning.main(variant="hard", strategy="mirrored")
