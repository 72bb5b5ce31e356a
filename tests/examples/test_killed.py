"""Every example's training, killed twice and begun again, ends where an undisturbed one ends.

Each training is a process of its own that SIGKILL ends: at a random batch, then while it writes the
next file, a checkpoint mostly, of which half is there then. One of the examples runs always, all of
them by `-m "slow or not slow"`.
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
    pytest.mark.skipif(not os.environ.get("TFDS_DATA_DIR"), reason="TFDS_DATA_DIR has the data"),
]
CASES = [  # a module of examples, and options of its main
    pytest.param("neural_turing_machine", {}),
    pytest.param("translate_dates", {}, marks=slow),
    pytest.param("neural_turing_machine", {"controller": "baseline"}, marks=slow),
    pytest.param("pointer_network", {}, marks=slow),
    pytest.param("translate", {}, marks=real_data),
    pytest.param("transformer", {}, marks=real_data),
    pytest.param("image_captioning", {}, marks=real_data),
    pytest.param("image_captioning", {"variant": "hard"}, marks=real_data),
    pytest.param("text_classification", {}, marks=real_data),
    pytest.param("text_classification", {"model": "sequential"}, marks=real_data),
    pytest.param("sagan", {}, marks=real_data),
]


def train(module, options, folder, dies_at=None, dies_writing=None):
    """Trains an example in this process, which ends then; it may die, at a batch or writing."""
    from examples import training

    counted = {"batches": 0, "first epoch": 0, "files": 0}
    train_all = training.train

    class Bar(training.tqdm):
        def update(self, *args):
            counted["batches"] += 1
            if counted["batches"] == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            super().update(*args)

    def sync(file):
        counted["files"] += 1
        if counted["files"] == dies_writing:
            os.ftruncate(file, os.fstat(file).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        if counted["batches"] and not counted["first epoch"]:
            counted["first epoch"] = counted["batches"]

    def train_only(model, batches, epochs, directory, *more, **named):
        curve = train_all(model, batches, epochs, directory, *more, **named)
        if "-seed" not in str(directory):  # of what the example needs first
            return curve
        Path(folder, "counted.json").write_text(json.dumps(counted))
        sys.exit()

    # The example is imported after, and so finds these.
    training.tqdm, training.train, os.fsync = Bar, train_only, sync
    folders = {name: f"{folder}/{name}" for name in ("runs", "pictures", "saved_models")}
    importlib.import_module(f"examples.{module}").main(quick=True, **options, **folders)


def in_a_process(*arguments, **moments):
    """The exit status of `train`, and what it printed."""
    call = f"train(*{arguments!r}, **{moments!r})"
    script = f"from tests.examples.test_killed import train; {call}"
    fast = {**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0"}  # to compile
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=fast)
    return done.returncode, done.stdout + done.stderr


def checkpoints(folder):
    """{path of a checkpoint: its arrays and its curve, but for the minutes}."""
    found = {}
    for path in Path(folder, "runs").rglob("*.npz"):
        with np.load(path) as values:
            arrays = {name: values[name] for name in values.files}
        curve = json.loads(str(arrays.pop("curve")))
        kept = [{n: x for n, x in epoch.items() if "minutes" not in n} for epoch in curve]
        found[str(path.relative_to(folder))] = arrays, kept
    return found


@pytest.mark.parametrize(("module", "options"), CASES)
def test_a_killed_training_ends_as_an_undisturbed_one(module, options, tmp_path):
    whole, killed = (str(tmp_path / name) for name in ("whole", "killed"))
    for folder in (whole, killed):
        Path(folder).mkdir()
    status, said = in_a_process(module, options, whole)
    assert status == 0, said
    counted = json.loads(Path(whole, "counted.json").read_text())
    first, last = counted["first epoch"] + 1, counted["batches"]
    batch = int(np.random.default_rng().integers(first, last + 1))  # another one each time
    print(f"dies at batch {batch}, of {first} to {last}")
    for moment in ({"dies_at": batch}, {"dies_writing": 1}):
        status, said = in_a_process(module, options, killed, **moment)
        assert status == -signal.SIGKILL, said
    status, said = in_a_process(module, options, killed)
    assert status == 0, said
    assert not list(Path(killed, "runs").rglob(".*")), "what was half written is still there"
    expected, found = checkpoints(whole), checkpoints(killed)
    assert found.keys() == expected.keys() != set()
    for path, (arrays, curve) in expected.items():
        found_arrays, found_curve = found[path]
        assert len(curve) > 1
        for one, other in zip(found_curve, curve, strict=True):
            assert one == pytest.approx(other, rel=1e-4, abs=1e-5), path
        for name, array in arrays.items():
            np.testing.assert_allclose(found_arrays[name], array, rtol=1e-3, atol=1e-4)
