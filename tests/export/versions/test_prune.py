import fcntl
import os
import re
import signal
import subprocess
import sys

import pytest

from keras_attention.export import label, prune
from keras_attention.export.__main__ import main
from keras_attention.export.versions import models_config


@pytest.fixture
def model(tmp_path):
    for number in (1, 2, 3, 9, 10):
        (tmp_path / "m" / str(number)).mkdir(parents=True)
        (tmp_path / "m" / str(number) / "saved_model.pb").write_text("a model")
    return tmp_path / "m"


def left(model):
    return sorted(path.name for path in model.iterdir())


def test_the_newest_by_number_stay(model):
    assert prune(model, keep=2) == [1, 2, 3]
    assert left(model) == ["10", "9"]
    assert prune(model, keep=2) == []


def test_a_labelled_version_and_one_that_is_served_stay(model):
    label(model, {"stable": 2})
    config = models_config.read(model.parent)
    models_config.entry(config, "m").model_version_policy.specific.versions.append(3)
    models_config.write(model.parent, config)
    assert prune(model, keep=1) == [1, 9]
    assert left(model) == ["10", "2", "3"]


@pytest.mark.parametrize(
    ("policy", "removed"),
    [
        ("latest { num_versions: 2 }", [1, 2, 3]),
        ("latest { }", [1, 2, 3, 9]),
        ("all { }", []),
        ("specific { versions: 2 }", [1, 3, 9]),
    ],
)
def test_what_the_policy_has_served_stays(model, policy, removed):
    (model.parent / "models.config").write_text(
        f'model_config_list {{ config {{ name: "m" model_version_policy {{ {policy} }} }} }}'
    )
    assert prune(model, keep=1) == removed


def test_what_is_no_version_stays(model):
    (model / "notes").mkdir()
    (model / "4").write_text("a file")
    prune(model, keep=1)
    assert left(model) == ["10", "4", "notes"]


@pytest.mark.parametrize("keep", [0, -1, 1.0, True, None, "1", [1]])
def test_nothing_to_keep_is_refused(model, keep):
    with pytest.raises(
        ValueError, match=f"`keep` to be an integer of at least 1.*{re.escape(repr(keep))}"
    ):
        prune(model, keep)
    assert len(left(model)) == 5


KILLED = """
import os, shutil, signal, sys
from keras_attention.export import prune
shutil.rmtree = lambda path: os.kill(os.getpid(), signal.SIGKILL)
prune(sys.argv[1], 1)
"""


def test_a_version_is_never_half_removed(model):
    """Killed before it deletes a file, it has already taken the version away, whole."""
    killed = subprocess.run([sys.executable, "-c", KILLED, str(model)])
    assert killed.returncode == -signal.SIGKILL
    assert [name for name in left(model) if name.isdigit()] == ["10", "2", "3", "9"]
    assert prune(model, keep=4) == []
    assert left(model) == ["10", "2", "3", "9"]


def test_no_version_is_labelled_while_it_is_removed(model, monkeypatch):
    """Whoever labels waits for the lock that is held here."""
    rename, seen = os.rename, []

    def looking(source, target):
        rename(source, target)
        other = os.open(model.parent, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
        seen.append(target)

    monkeypatch.setattr(os, "rename", looking)
    assert prune(model, keep=4) == [1] and len(seen) == 1
    with models_config.alone(model.parent):
        pass


def test_the_command_says_what_it_removed(model, capsys):
    assert main(["prune", str(model), "--keep", "3"]) == 0
    assert main(["prune", str(model), "--keep", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == ["removed: 1 2", "removed: none"]
    assert main(["prune", str(model), "--keep", "0"]) == 1
    assert capsys.readouterr().err.startswith("error: Expected `keep`")
