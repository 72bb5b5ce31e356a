"""`label`: the labels in models.config, under concurrent and killed processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from keras_attention.export import label
from keras_attention.export.__main__ import main
from keras_attention.export.versions.models_config import (
    get_or_add_entry,
    load_config,
    write_config,
)
from tests.export.versions.light_process import make_program


@pytest.fixture
def model(tmp_path):
    return create_versions(tmp_path / "translator", 1, 2, 10)


def create_versions(directory, *numbers):
    for number in numbers:
        (directory / str(number)).mkdir(parents=True)
        (directory / str(number) / "saved_model.pb").write_text("a model")
    return directory


def load_entry(model):
    return get_or_add_entry(load_config(model.parent), model.name)


def test_labels_are_written_to_models_config(model):
    assert label(model, {"stable": 2, "canary": 10}) == {"canary": 10, "stable": 2}
    assert (
        (model.parent / "models.config").read_text()
        == """\
model_config_list {
  config {
    name: "translator"
    base_path: "/models/translator"
    model_platform: "tensorflow"
    model_version_policy {
      specific {
        versions: 2
        versions: 10
      }
    }
    version_labels {
      key: "canary"
      value: 10
    }
    version_labels {
      key: "stable"
      value: 2
    }
  }
}
"""
    )


def test_a_label_moves_and_other_labels_stay(model):
    label(model, {"stable": 1, "canary": 2})
    assert label(model, {"stable": 2}) == {"canary": 2, "stable": 2}
    assert list(load_entry(model).model_version_policy.specific.versions) == [2]


def test_without_labels_the_largest_version_is_served(model):
    label(model, {"stable": 1})
    assert label(model, {"stable": None, "never": None}) == {}
    assert not load_entry(model).HasField("model_version_policy")


@pytest.mark.parametrize("labels", [{}, {"never": None}], ids=str)
def test_the_version_policy_stays_if_no_label_changes(model, labels):
    config = load_config(model.parent)
    policy = get_or_add_entry(config, model.name).model_version_policy
    policy.latest.num_versions = 2
    write_config(model.parent, config)
    assert label(model, labels) == {}
    assert load_entry(model).model_version_policy == policy


@pytest.mark.parametrize("labels", [None, "stable=1", ["stable"]], ids=str)
def test_labels_that_are_not_a_dict_are_refused(model, labels):
    with pytest.raises(ValueError, match="`labels` to be a dict of label to version. Received: l"):
        label(model, labels)


def test_windows_is_refused_because_it_has_no_lock(model, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(NotImplementedError, match="Expected a system with fcntl.flock"):
        label(model, {"stable": 1})
    assert main(["prune", str(model), "--keep", "1"]) == 1
    assert capsys.readouterr().err.startswith("error: Expected a system")


def test_other_models_and_the_comment_at_the_top_are_kept(model):
    other = 'model_config_list { config { name: "other" base_path: "/elsewhere" } }\n'
    (model.parent / "models.config").write_text(f"# mount at /models\n# both\n{other}")
    label(model, {"stable": 1})
    text = (model.parent / "models.config").read_text()
    assert text.startswith("# mount at /models\n# both\nmodel_config_list {")
    names = [entry.name for entry in load_config(model.parent).model_config_list.config]
    assert names == ["other", "translator"] and "/elsewhere" in text


def test_a_models_config_that_is_a_link_stays_one(model):
    """A ConfigMap of Kubernetes is such a link."""
    target = model.parent / "data" / "target.config"
    target.parent.mkdir()
    target.write_text("# mounted\n")
    (model.parent / "models.config").symlink_to("data/target.config")
    label(model, {"stable": 1})
    assert (model.parent / "models.config").is_symlink()
    assert target.read_text().startswith("# mounted\nmodel_config_list")
    assert [path.name for path in target.parent.iterdir()] == ["target.config"]


def test_the_file_of_a_killed_process_beside_the_target_of_a_link_is_removed(model):
    target = model.parent / "data" / "models.config"
    target.parent.mkdir()
    target.write_text("# mounted\n")
    (target.parent / ".models.config.abcd.new").write_text("")
    (model.parent / "models.config").symlink_to(target)
    label(model, {"stable": 1})
    assert [path.name for path in target.parent.iterdir()] == ["models.config"]


def test_the_mode_of_models_config_is_kept(model):
    file = model.parent / "models.config"
    file.write_text("")
    file.chmod(0o640)
    label(model, {"stable": 1})
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change a file's owner")
def test_the_owner_of_models_config_is_kept(model):
    file = model.parent / "models.config"
    file.write_text("")
    os.chown(file, 12345, 23456)
    label(model, {"stable": 1})
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 23456)


def test_a_file_whose_owner_cannot_be_kept_is_not_replaced(model, monkeypatch, capsys):
    (model.parent / "models.config").write_text("# theirs\n")

    def fail(*arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", fail)
    own = os.stat(model.parent / "models.config")
    monkeypatch.setattr(
        os, "fstat", lambda descriptor: os.stat_result([*own[:4], own.st_uid + 1, *own[5:]])
    )
    assert main(["label", str(model), "stable=1"]) == 1
    assert "Operation not permitted" in capsys.readouterr().err
    names = sorted(path.name for path in model.parent.iterdir())
    assert names == ["models.config", "translator"]
    assert (model.parent / "models.config").read_text() == "# theirs\n"


def test_a_planted_link_is_not_followed(model):
    victim = model.parent / "victim"
    victim.write_text("precious")
    (model.parent / ".models.config.new").symlink_to(victim)
    label(model, {"stable": 1})
    assert victim.read_text() == "precious"


def test_the_name_of_a_model_directory_that_is_a_link_is_the_models_name(model):
    link = model.parent / "served" / "dates"
    link.parent.mkdir()
    link.symlink_to(model)
    label(link, {"stable": 1})
    assert 'name: "dates"' in (link.parent / "models.config").read_text()
    assert not (model.parent / "models.config").exists()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"stable": 3}, r"one of \[1, 2, 10\]. Received: stable=3"),
        ({"stable": "2"}, "Received: stable='2'"),
        ({"stable": [2]}, r"Received: stable=\[2\]"),
        ({"stable": 1.0}, "Received: stable=1.0"),
        ({"stable": True}, "Received: stable=True"),
        ({"2": 2}, "a letter first. Received: '2'"),
        ({"a b": 2}, "Received: 'a b'"),
    ],
    ids=str,
)
def test_an_invalid_label_is_refused_and_nothing_is_written(model, labels, message):
    with pytest.raises(ValueError, match=message):
        label(model, {"canary": 1, **labels})
    assert not (model.parent / "models.config").exists()


def test_an_invalid_models_config_is_refused_and_not_changed(model):
    (model.parent / "models.config").write_text("model_config_list { confi")
    with pytest.raises(ValueError, match="Expected a server's configuration. .*models.config"):
        label(model, {"stable": 1})
    assert (model.parent / "models.config").read_text() == "model_config_list { confi"


@pytest.mark.parametrize("name", ["translator/1", "none", "."])
def test_a_directory_that_is_not_a_model_is_refused(model, name):
    with pytest.raises(ValueError, match="`directory` to be one model's directory"):
        label(model.parent / name, {"stable": 1})


def test_the_command_sets_and_removes_labels(model, capsys):
    assert main(["label", str(model), "stable=2", "canary=10"]) == 0
    assert main(["label", str(model), "canary="]) == 0
    assert capsys.readouterr().out.splitlines() == ["canary=10 stable=2", "stable=2"]
    assert main(["label", str(model), "stable=7"]) == 1
    assert capsys.readouterr().err.startswith("error: Expected an existing version")
    with pytest.raises(SystemExit):
        main(["label", str(model), "stable"])


WRITER = make_program(
    """
import sys
from pathlib import Path
from keras_attention.export.versions.labels import label
model, name, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for count in range(times):
    label(model, {f"{name}{count}": 1})
"""
)


def start_writer(model, name, times):
    command = [sys.executable, "-c", WRITER, str(model), name, str(times)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_concurrent_processes_lose_no_label(model):
    writers = [start_writer(model, name, 40) for name in "ab"]
    for process in writers:
        process.communicate()
        assert process.returncode == 0
    assert len(load_entry(model).version_labels) == 80


def test_a_killed_process_leaves_a_complete_file_and_no_lock(model):
    label(model, {"stable": 2})
    killed = start_writer(model, "a", 1_000_000)
    while len(load_entry(model).version_labels) < 20:  # kill it while it is writing
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    labels = label(model, {"after": 10})
    assert labels["stable"] == 2 and labels["after"] == 10
