"""Full disks and folders without write permission are refused before the training."""

import collections
import errno
import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the examples run on TensorFlow", allow_module_level=True)

from examples import disk, neural_turing_machine, training
from tests.examples.test_training import batches, model

Usage = collections.namedtuple("Usage", ["total", "used", "free"])


def test_folders_are_created_and_left_empty(tmp_path):
    folders = {name: tmp_path / name / "deep" for name in ("runs", "pictures", "saved_models")}
    disk.check(1000, 100, **folders)
    assert [list(folder.iterdir()) for folder in folders.values()] == [[], [], []]


@pytest.mark.parametrize("name", ["runs", "pictures", "saved_models"])
def test_a_file_instead_of_a_folder_is_refused_with_its_name(name, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(
            ValueError, match=f"Expected `{name}` to be a writable folder.*{place.name}'"
        ):
            disk.check(0, **{"runs": tmp_path, name: place})


def test_a_folder_without_write_permission_is_refused(tmp_path, monkeypatch):
    def raise_permission_error(dir):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(dir))

    monkeypatch.setattr(disk.tempfile, "TemporaryFile", raise_permission_error)
    with pytest.raises(ValueError, match="Expected `runs` .* Received: runs=.*Permission denied"):
        disk.check(0, runs=tmp_path)


def test_folders_on_one_disk_share_its_free_space(tmp_path, monkeypatch):
    folders = {name: tmp_path / name for name in ("runs", "pictures", "saved_models")}
    needed = 2 * 30_000_000 + disk.PICTURES_BYTES + 2 * 10_000_000 + disk.GRAPH_BYTES
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: Usage(1e12, 0, needed))
    disk.check(30_000_000, 10_000_000, **folders)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: Usage(1e12, 0, needed - 100_000))
    message = r"Expected 105.0 MB free for `runs`, `pictures`, `saved_models`. .*with 104.9 MB free"
    with pytest.raises(ValueError, match=message):
        disk.check(30_000_000, 10_000_000, **folders)


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 60_000_000),
        ({"checkpoint.npz": 30_000_000}, 30_000_000),
        ({"checkpoint.npz": 30_000_000, ".checkpoint.npz-7": 20_000_000}, 10_000_000),
    ],
)
def test_an_existing_checkpoint_reduces_the_needed_space(files, free, tmp_path, monkeypatch):
    for name, size in files.items():
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: Usage(1e12, 0, free))
    disk.check(30_000_000, runs=tmp_path)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: Usage(1e12, 0, free - 1))
    with pytest.raises(ValueError, match="MB free for `runs`"):
        disk.check(30_000_000, runs=tmp_path)


def test_the_checked_size_is_that_of_the_checkpoint(tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(disk, "check", lambda *arguments, **folders: sizes.append(arguments))
    net = model()
    training.train(net, batches, 1, tmp_path, {})
    [(checkpoint, weights)] = sizes
    assert weights == 41 * 4 + 2 * 8  # and the random state of the dropout
    assert checkpoint < (tmp_path / "checkpoint.npz").stat().st_size < checkpoint + 8000


def test_an_example_checks_its_folders_before_it_trains(tmp_path, monkeypatch):
    (tmp_path / "pictures").write_text("not a folder")
    monkeypatch.setattr(neural_turing_machine, "train", lambda *_: pytest.fail("it trains"))
    folders = {name: str(tmp_path / name) for name in ("runs", "pictures", "saved_models")}
    with pytest.raises(ValueError, match="Expected `pictures` to be a writable folder"):
        neural_turing_machine.main(quick=True, **folders)


def test_a_disk_that_fills_up_leaves_the_previous_checkpoint(tmp_path):
    script = textwrap.dedent(
        f"""
        import resource
        from tests.examples.test_training import batches, model
        from examples import training
        def after(epoch):
            if epoch == 1:  # limits the length of files from now on, like a full disk
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            return {{}}
        training.train(model(), batches, 4, {str(tmp_path / "run")!r}, {{}}, after)
        """
    )
    full = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert full.returncode == 1
    last = full.stderr.strip().splitlines()[-1]
    assert "Expected 0.0 MB of free space for the checkpoint after epoch 2." in last
    assert "Received: File too large" in last and str(tmp_path / "run") in last
    assert "Exception ignored" not in full.stderr
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"checkpoint.npz", "settings.json"}  # and no partial file
    resumed, uninterrupted = model(), model()
    curve = training.train(resumed, batches, 4, tmp_path / "run", {})
    training.train(uninterrupted, batches, 4, tmp_path / "uninterrupted", {})
    assert len(curve) == 4
    for a, b in zip(uninterrupted.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
