"""`publish`: a version appears complete or not at all, even if writing fails or is killed."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

import pytest

from keras_attention.export.versions import leftovers
from keras_attention.export.versions.publish import publish
from tests.export.versions.light_process import make_program


def write(path):
    path.mkdir()
    (path / "saved_model.pb").write_text("a model")


def list_names(directory):
    return sorted(entry.name for entry in directory.iterdir())


def test_the_first_version_is_1_and_missing_parents_are_created(tmp_path):
    directory = tmp_path / "saved_models" / "m"
    assert publish(directory, write) == directory / "1"
    assert list_names(directory) == ["1"]
    assert (directory / "1" / "saved_model.pb").read_text() == "a model"


def test_the_next_version_is_the_largest_plus_one(tmp_path):
    for name in ["9", "10", "2"]:
        (tmp_path / name).mkdir()
    assert publish(tmp_path, write).name == "11"


def test_names_that_are_not_versions_are_ignored(tmp_path):
    for name in ["latest", "12b", "-3", "1.5", "1_000", "²", ".export-old"]:
        (tmp_path / name).mkdir()
    (tmp_path / "README.md").write_text("")
    assert publish(tmp_path, write).name == "1"


def test_a_file_with_the_name_of_a_version_is_skipped(tmp_path):
    (tmp_path / "1").write_text("")
    assert publish(tmp_path, write).name == "2"


def test_a_version_that_another_process_creates_first_is_not_changed(tmp_path, monkeypatch):
    rename = os.rename

    def rename_too_late(source, target):
        if target.name == "1":
            target.mkdir()
            (target / "theirs").write_text("")
        if target.name == "2":
            target.write_text("")
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_too_late)
    assert publish(tmp_path, write).name == "3"
    assert list_names(tmp_path) == ["1", "2", "3"]
    assert list_names(tmp_path / "1") == ["theirs"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("directory", [".", "saved_models/m"])
def test_a_failure_leaves_no_files(tmp_path, error, directory):
    def fail(path):
        write(path)
        raise error

    with pytest.raises(error):
        publish(tmp_path / directory, fail)
    assert list_names(tmp_path) == []


def test_a_failure_leaves_new_directories_that_others_use(tmp_path):
    def fail(path):
        (tmp_path / "saved_models" / "theirs").mkdir()
        raise ValueError

    with pytest.raises(ValueError):
        publish(tmp_path / "saved_models" / "m", fail)
    assert list_names(tmp_path / "saved_models") == ["theirs"]


KILLED_PROGRAM = make_program(
    """
import os, pathlib, signal, sys
from keras_attention.export.versions.publish import publish
def write(path):
    path.mkdir()
    (path / "weights").write_text("many")
    os.kill(os.getpid(), signal.SIGKILL)
publish(pathlib.Path(sys.argv[1]), write)
"""
)


def test_leftovers_of_a_killed_export_are_removed_by_the_next(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED_PROGRAM, str(tmp_path)])
    assert killed.returncode == -signal.SIGKILL
    assert len(list_names(tmp_path)) == 1
    publish(tmp_path, write)
    assert list_names(tmp_path) == ["1"]


def make_leftover(directory, host=None, age=0.0, is_locked=False):
    """Return a temporary directory of an ended process, and the descriptor of its lock."""
    host = host or socket.gethostname()
    path = directory / f".export-{host}-{len(list_names(directory)) + 1}-{uuid.uuid4().hex}"
    (path / "version").mkdir(parents=True)
    (path / "version" / "weights").write_text("many")
    descriptor = os.open(path / "lock", os.O_CREAT | os.O_RDWR)
    if is_locked:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    for entry in (*path.rglob("*"), path):
        os.utime(entry, (time.time() - age,) * 2)
    return path, descriptor


def test_leftovers_are_kept_only_while_they_are_locked_or_fresh_on_another_host(tmp_path):
    """The names have the ids of processes that run: 1, 2, …, as in containers."""
    cases = {
        "locked": make_leftover(tmp_path, is_locked=True, age=9999.0),
        "ended": make_leftover(tmp_path),
        "remote": make_leftover(tmp_path, host="pod-1"),
        "remote, old": make_leftover(tmp_path, host="pod-2", age=9999.0),
        "remote, locked": make_leftover(tmp_path, host="pod-3", age=9999.0, is_locked=True),
    }
    publish(tmp_path, write)
    kept = {name for name, (path, _) in cases.items() if path.exists()}
    assert kept == {"locked", "remote", "remote, locked"}
    os.close(cases["locked"][1])
    publish(tmp_path, write)
    assert not cases["locked"][0].exists()
    assert leftovers.list_leftovers(tmp_path) == sorted(
        cases[name][0] for name in ("remote", "remote, locked")
    )
    for _, descriptor in (cases["remote"], cases["remote, locked"]):
        os.close(descriptor)


def test_a_directory_without_a_lock_file_is_kept_for_an_hour(tmp_path):
    path, descriptor = make_leftover(tmp_path)
    os.close(descriptor)
    (path / "lock").unlink()
    publish(tmp_path, write)
    assert path.exists()
    for entry in (*path.rglob("*"), path):
        os.utime(entry, (0, 0))
    publish(tmp_path, write)
    assert not path.exists()


def test_an_export_keeps_its_lock_until_its_version_is_published(tmp_path):
    def write_while_another_process_cleans_up(path):
        write(path)
        for entry in (*path.parent.rglob("*"), path.parent):
            os.utime(entry, (0, 0))
        leftovers.remove_leftovers(tmp_path)
        assert (path / "saved_model.pb").exists()

    assert publish(tmp_path, write_while_another_process_cleans_up).name == "1"
    assert list_names(tmp_path) == ["1"]


@pytest.mark.parametrize("when", ["before the lock file", "before the lock", "after the lock"])
def test_a_directory_that_is_removed_before_it_is_locked_is_not_used(tmp_path, monkeypatch, when):
    flock, open_file, removals = fcntl.flock, os.open, []

    def remove_once():
        if not removals:
            removals.append(list_names(tmp_path))
            [path] = leftovers.list_leftovers(tmp_path)
            shutil.rmtree(path)

    def open_late(path, *arguments, **options):
        if when == "before the lock file" and str(path).endswith(leftovers.LOCK):
            remove_once()
        return open_file(path, *arguments, **options)

    def lock_late(descriptor, operation):
        if when == "before the lock":
            remove_once()
        flock(descriptor, operation)
        if when == "after the lock" and not removals:
            remove_once()

    monkeypatch.setattr(os, "open", open_late)
    monkeypatch.setattr(fcntl, "flock", lock_late)
    assert publish(tmp_path, write).name == "1"
    assert len(removals) == 1 and list_names(tmp_path) == ["1"]


def test_a_leftover_that_is_a_link_does_not_lead_to_the_removal_of_its_target(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "weights").write_text("many")
    link = tmp_path / "m" / f".export-host-1-{uuid.uuid4().hex}"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "store")
    publish(tmp_path / "m", write)
    assert list_names(tmp_path / "m") == ["1"] and list_names(tmp_path / "store") == ["weights"]


def test_numbers_beyond_those_of_a_server_are_not_versions(tmp_path):
    (tmp_path / "99999999999999999999").mkdir()
    assert publish(tmp_path, write).name == "1"
    (tmp_path / str(2**63 - 1)).mkdir()
    with pytest.raises(ValueError, match="Expected versions below 9223372036854775807"):
        publish(tmp_path, write)
    assert len(list_names(tmp_path)) == 3


def test_a_failed_rename_leaves_no_files(tmp_path, monkeypatch):
    def fail(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(PermissionError):
        publish(tmp_path, write)
    assert list_names(tmp_path) == []


def test_an_unfinished_version_has_no_number(tmp_path):
    names = []
    publish(tmp_path, lambda path: (write(path), names.extend(list_names(tmp_path))))
    assert len(names) == 1 and not names[0].isdigit()


def test_a_directory_that_cannot_be_created_raises_before_anything_is_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        publish(tmp_path / "file" / "m", write)
