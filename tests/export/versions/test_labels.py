import signal
import subprocess
import sys
import time

import pytest

from keras_attention.export import label
from keras_attention.export.__main__ import main
from keras_attention.export.versions import models_config


@pytest.fixture
def model(tmp_path):
    return with_versions(tmp_path / "translator", 1, 2, 10)


def with_versions(directory, *numbers):
    for number in numbers:
        (directory / str(number)).mkdir(parents=True)
        (directory / str(number) / "saved_model.pb").write_text("a model")
    return directory


def entry(model):
    return models_config.entry(models_config.read(model.parent), model.name)


def test_labels_are_written_where_a_server_reads_them(model):
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


def test_a_label_moves_and_the_others_stay(model):
    label(model, {"stable": 1, "canary": 2})
    assert label(model, {"stable": 2}) == {"canary": 2, "stable": 2}
    assert list(entry(model).model_version_policy.specific.versions) == [2]


def test_without_labels_the_server_goes_back_to_the_largest(model):
    label(model, {"stable": 1})
    assert label(model, {"stable": None, "never": None}) == {}
    assert not entry(model).HasField("model_version_policy")


@pytest.mark.parametrize("labels", [{}, {"never": None}], ids=str)
def test_where_no_label_changes_the_models_own_policy_stays(model, labels):
    config = models_config.read(model.parent)
    policy = models_config.entry(config, model.name).model_version_policy
    policy.latest.num_versions = 2
    models_config.write(model.parent, config)
    assert label(model, labels) == {}
    assert entry(model).model_version_policy == policy


@pytest.mark.parametrize("labels", [None, "stable=1", ["stable"]], ids=str)
def test_labels_that_are_no_dict_are_refused(model, labels):
    with pytest.raises(ValueError, match="`labels` to be a dict of label to version. Received: l"):
        label(model, labels)


def test_without_a_lock_on_windows_it_says_so(model, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(NotImplementedError, match="Expected a system with fcntl.flock"):
        label(model, {"stable": 1})
    assert main(["prune", str(model), "--keep", "1"]) == 1
    assert capsys.readouterr().err.startswith("error: Expected a system")


def test_other_models_and_the_comment_at_the_head_stay(model):
    other = 'model_config_list { config { name: "other" base_path: "/elsewhere" } }\n'
    (model.parent / "models.config").write_text(f"# mount at /models\n# both\n{other}")
    label(model, {"stable": 1})
    text = (model.parent / "models.config").read_text()
    assert text.startswith("# mount at /models\n# both\nmodel_config_list {")
    names = [one.name for one in models_config.read(model.parent).model_config_list.config]
    assert names == ["other", "translator"] and "/elsewhere" in text


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"stable": 3}, r"of \[1, 2, 10\]. Received: stable=3"),
        ({"stable": "2"}, "Received: stable='2'"),
        ({"stable": [2]}, r"Received: stable=\[2\]"),
        ({"stable": 1.0}, "Received: stable=1.0"),
        ({"stable": True}, "Received: stable=True"),
        ({"2": 2}, "a letter first. Received: '2'"),
        ({"a b": 2}, "Received: 'a b'"),
    ],
    ids=str,
)
def test_what_cannot_be_labelled_is_refused_and_nothing_is_written(model, labels, message):
    with pytest.raises(ValueError, match=message):
        label(model, {"canary": 1, **labels})
    assert not (model.parent / "models.config").exists()


def test_a_file_that_is_none_is_refused_and_left_alone(model):
    (model.parent / "models.config").write_text("model_config_list { confi")
    with pytest.raises(ValueError, match="Expected a server's configuration. .*models.config"):
        label(model, {"stable": 1})
    assert (model.parent / "models.config").read_text() == "model_config_list { confi"


@pytest.mark.parametrize("place", ["translator/1", "none", "."])
def test_what_is_no_model_is_refused(model, place):
    with pytest.raises(ValueError, match="`directory` to be a model's"):
        label(model.parent / place, {"stable": 1})


def test_the_command_labels_and_removes(model, capsys):
    assert main(["label", str(model), "stable=2", "canary=10"]) == 0
    assert main(["label", str(model), "canary="]) == 0
    assert capsys.readouterr().out.splitlines() == ["canary=10 stable=2", "stable=2"]
    assert main(["label", str(model), "stable=7"]) == 1
    assert capsys.readouterr().err.startswith("error: Expected a version")
    with pytest.raises(SystemExit):
        main(["label", str(model), "stable"])


WRITER = """
import sys
from pathlib import Path
from keras_attention.export import label
model, name, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for count in range(times):
    label(model, {f"{name}{count}": 1})
"""


def writer(model, name, times):
    command = [sys.executable, "-c", WRITER, str(model), name, str(times)]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert started.stdout.readline() == "ready\n"
    return started


def test_processes_that_label_at_the_same_time_lose_nothing(model):
    writers = [writer(model, name, 40) for name in "ab"]
    for one in writers:
        one.communicate()
        assert one.returncode == 0
    assert len(entry(model).version_labels) == 80


def test_a_killed_process_leaves_a_whole_file_and_no_lock(model):
    label(model, {"stable": 2})
    killed = writer(model, "a", 1_000_000)
    while len(entry(model).version_labels) < 20:  # in the middle of it
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    labels = label(model, {"after": 10})
    assert labels["stable"] == 2 and labels["after"] == 10
