"""A training run that is killed twice and restarted ends like an uninterrupted one.

Each run is a separate process. SIGKILL ends it first at a random batch, and then in the middle of
writing the next file, usually a checkpoint. `-m ci` tests one example, and `-m "slow or not slow"`
all of them. Without `-m` no example is tested; `test_training.py` always tests a small model.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

slow = pytest.mark.slow
real_data = [
    slow,
    pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR is not set"),
]
citations = [
    slow,
    pytest.mark.skipif(not os.environ.get("PLANETOID_DIR"), reason="PLANETOID_DIR is not set"),
]
CASES = [  # an example's module, and arguments of its main
    pytest.param("neural_turing_machine", {}, marks=pytest.mark.ci),
    pytest.param("translate_dates", {}, marks=slow),
    pytest.param("neural_turing_machine", {"controller": "baseline"}, marks=slow),
    pytest.param("pointer_network", {}, marks=slow),
    pytest.param("deep_stacks", {}, marks=slow),
    pytest.param("translate", {}, marks=real_data),
    pytest.param("translate", {"model": "gnmt"}, marks=real_data),
    pytest.param("transformer", {}, marks=real_data),
    pytest.param("image_captioning", {}, marks=real_data),
    pytest.param("image_captioning", {"variant": "hard"}, marks=real_data),
    pytest.param("text_classification", {}, marks=real_data),
    pytest.param("text_classification", {"model": "sequential"}, marks=real_data),
    pytest.param("sagan", {}, marks=real_data),
    pytest.param("glimpses", {}, marks=real_data),
    pytest.param("vision_transformer", {}, marks=real_data),
    pytest.param("language_model", {}, marks=real_data),
    pytest.param("language_model", {"objective": "masked"}, marks=real_data),
    pytest.param("explain", {"model": "dates"}, marks=slow),
    pytest.param("explain", {"model": "digits"}, marks=real_data),
    pytest.param("graph_attention", {}, marks=citations),
    pytest.param("machine_reading", {}, marks=real_data),
    pytest.param("machine_reading", {"task": "sentiment"}, marks=real_data),
    pytest.param("memory_network", {}, marks=real_data),
    pytest.param("natural_language_inference", {}, marks=real_data),
    pytest.param("speech", {"attention": "monotonic"}, marks=real_data),
]


def train(module, options, folder, kill_at_batch=None, kill_at_file=None):
    """Train an example and exit this process, or kill it before.

    `kill_at_batch` is the number of the batch at which the process is killed; `kill_at_file` the
    number of the file in whose middle it is killed.
    """
    from examples import training

    counts = {"batches": 0, "first epoch": 0, "files": 0}
    train_example = training.train

    class Bar(training.tqdm):
        def update(self, *args):
            counts["batches"] += 1
            if counts["batches"] == kill_at_batch:
                os.kill(os.getpid(), signal.SIGKILL)
            super().update(*args)

    def sync(file):
        counts["files"] += 1
        if counts["files"] == kill_at_file:
            os.ftruncate(file, os.fstat(file).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        if counts["batches"] and not counts["first epoch"]:
            counts["first epoch"] = counts["batches"]

    def train_only(model, batches, epochs, directory, *args, **options):
        curve = train_example(model, batches, epochs, directory, *args, **options)
        if "-seed" not in str(directory):  # a network that the example trains beforehand
            return curve
        Path(folder, "counts.json").write_text(json.dumps(counts))
        sys.exit()

    # The example is imported after these replacements, so it imports them.
    training.tqdm, training.train, os.fsync = Bar, train_only, sync
    folders = {name: f"{folder}/{name}" for name in ("runs", "pictures", "saved_models")}
    importlib.import_module(f"examples.{module}").main(quick=True, **options, **folders)


def train_in_process(*arguments, **kill_options):
    """Return the exit status of a process that calls `train`, and what it printed."""
    call = f"train(*{arguments!r}, **{kill_options!r})"
    script = f"from tests.examples.test_killed import train; {call}"
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def load_checkpoints(folder):
    """Return {path of a checkpoint: (its arrays, its curve without the minutes)}."""
    checkpoints = {}
    for path in Path(folder, "runs").rglob("*.npz"):
        with np.load(path) as values:
            arrays = {name: values[name] for name in values.files}
        curve = json.loads(str(arrays.pop("curve")))
        curve = [{n: x for n, x in epoch.items() if "minutes" not in n} for epoch in curve]
        checkpoints[str(path.relative_to(folder))] = arrays, curve
    return checkpoints


@pytest.mark.parametrize(("module", "options"), CASES)
def test_a_killed_run_ends_like_an_uninterrupted_one(module, options, tmp_path):
    uninterrupted, killed = (str(tmp_path / name) for name in ("uninterrupted", "killed"))
    for folder in (uninterrupted, killed):
        Path(folder).mkdir()
    status, output = train_in_process(module, options, uninterrupted)
    assert status == 0, output
    counts = json.loads(Path(uninterrupted, "counts.json").read_text())
    first, last = counts["first epoch"] + 1, counts["batches"]
    batch = int(np.random.default_rng().integers(first, last + 1))  # differs from run to run
    print(f"kill at batch {batch}, of {first} to {last}")
    for kill_option in ({"kill_at_batch": batch}, {"kill_at_file": 1}):
        status, output = train_in_process(module, options, killed, **kill_option)
        assert status == -signal.SIGKILL, output
    status, output = train_in_process(module, options, killed)
    assert status == 0, output
    assert not list(Path(killed, "runs").rglob(".*")), "a partly written file is still there"
    expected, actual = load_checkpoints(uninterrupted), load_checkpoints(killed)
    assert actual.keys() == expected.keys() != set()
    for path, (arrays, curve) in expected.items():
        actual_arrays, actual_curve = actual[path]
        assert len(curve) > 1
        for actual_epoch, epoch in zip(actual_curve, curve, strict=True):
            assert actual_epoch == pytest.approx(epoch, rel=1e-4, abs=1e-5), path
        for name, array in arrays.items():
            np.testing.assert_allclose(actual_arrays[name], array, rtol=1e-3, atol=1e-4)
