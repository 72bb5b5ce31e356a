"""`prune`: which versions it removes, and that it never leaves an incomplete one."""

import fcntl
import os
import re
import signal
import subprocess
import sys

import pytest

from keras_attention.export import label, prune
from keras_attention.export.__main__ import main
from keras_attention.export.versions.models_config import (
    exclusive_lock,
    get_or_add_entry,
    load_config,
    write_config,
)
from tests.export.versions.light_process import make_program


@pytest.fixture
def model(tmp_path):
    for number in (1, 2, 3, 9, 10):
        (tmp_path / "m" / str(number)).mkdir(parents=True)
        (tmp_path / "m" / str(number) / "saved_model.pb").write_text("a model")
    return tmp_path / "m"


def list_names(model):
    return sorted(path.name for path in model.iterdir())


def test_the_newest_versions_by_number_are_kept(model):
    assert prune(model, keep=2) == [1, 2, 3]
    assert list_names(model) == ["10", "9"]
    assert prune(model, keep=2) == []


def test_labeled_and_served_versions_are_kept(model):
    label(model, {"stable": 2})
    config = load_config(model.parent)
    get_or_add_entry(config, "m").model_version_policy.specific.versions.append(3)
    write_config(model.parent, config)
    assert prune(model, keep=1) == [1, 9]
    assert list_names(model) == ["10", "2", "3"]


@pytest.mark.parametrize(
    ("policy", "removed"),
    [
        ("latest { num_versions: 2 }", [1, 2, 3]),
        ("latest { }", [1, 2, 3, 9]),
        ("all { }", []),
        ("specific { versions: 2 }", [1, 3, 9]),
    ],
)
def test_versions_that_the_policy_serves_are_kept(model, policy, removed):
    (model.parent / "models.config").write_text(
        f'model_config_list {{ config {{ name: "m" model_version_policy {{ {policy} }} }} }}'
    )
    assert prune(model, keep=1) == removed


def test_other_files_and_directories_are_kept(model):
    (model / "notes").mkdir()
    (model / "4").write_text("a file")
    prune(model, keep=1)
    assert list_names(model) == ["10", "4", "notes"]


@pytest.mark.parametrize("keep", [0, -1, 1.0, True, None, "1", [1]])
def test_an_invalid_keep_is_refused(model, keep):
    with pytest.raises(
        ValueError, match=f"`keep` to be an integer of at least 1.*{re.escape(repr(keep))}"
    ):
        prune(model, keep)
    assert len(list_names(model)) == 5


def test_of_a_version_that_is_a_link_only_the_link_is_removed(model):
    store = model.parent / "store"
    (model / "2").rename(store)
    (model / "2").symlink_to(store)
    assert prune(model, keep=3) == [1, 2]
    assert list_names(model) == ["10", "3", "9"] and list_names(store) == ["saved_model.pb"]


def test_a_number_beyond_those_of_a_server_is_not_a_version(model):
    (model / "99999999999999999999").mkdir()
    (model / "99999999999999999999" / "saved_model.pb").write_text("a model")
    assert prune(model, keep=5) == []


KILLED_PROGRAM = make_program(
    """
import os, shutil, signal, sys
from keras_attention.export.versions.prune import prune
shutil.rmtree = lambda path: os.kill(os.getpid(), signal.SIGKILL)
prune(sys.argv[1], 1)
"""
)


def test_a_version_is_never_partly_removed(model):
    """A process that is killed before it deletes a file has already renamed the version."""
    killed = subprocess.run([sys.executable, "-c", KILLED_PROGRAM, str(model)])
    assert killed.returncode == -signal.SIGKILL
    assert [name for name in list_names(model) if name.isdigit()] == ["10", "2", "3", "9"]
    assert prune(model, keep=4) == []
    assert list_names(model) == ["10", "2", "3", "9"]


def test_no_version_is_labeled_while_it_is_removed(model, monkeypatch):
    """`label` waits for the lock that `prune` holds."""
    rename, renamed = os.rename, []

    def rename_and_check_lock(source, target):
        rename(source, target)
        descriptor = os.open(model.parent, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
        renamed.append(target)

    monkeypatch.setattr(os, "rename", rename_and_check_lock)
    assert prune(model, keep=4) == [1] and len(renamed) == 1
    with exclusive_lock(model.parent):
        pass


def test_the_command_prints_the_removed_versions(model, capsys):
    assert main(["prune", str(model), "--keep", "3"]) == 0
    assert main(["prune", str(model), "--keep", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == ["removed: 1 2", "removed: none"]
    assert main(["prune", str(model), "--keep", "0"]) == 1
    assert capsys.readouterr().err.startswith("error: Expected `keep`")


def test_the_command_prints_the_temporary_directories_that_it_left(model, capsys):
    leftover = model / f".export-pod-1-{'0' * 32}"
    leftover.mkdir()
    assert main(["prune", str(model), "--keep", "9"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith(f"not removed: {leftover}, which")
    os.utime(leftover, (0, 0))
    assert main(["prune", str(model), "--keep", "9"]) == 0
    assert capsys.readouterr().out.splitlines() == ["removed: none"]
