"""The command line of an export: its output, errors and exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import export
from keras_attention.export.__main__ import _parse_lengths, main


@pytest.fixture
def model_file(tmp_path):
    """A saved model that needs an example: its Embedding has only the ids 0 and 1."""
    model = keras.Sequential(
        [keras.Input((None,), dtype="int32", name="words"), keras.layers.Embedding(2, 3)]
    )
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_a_saved_model_is_exported_from_the_command_line(model_file, tmp_path):
    np.savez(tmp_path / "one.npz", words=np.array([[1, 0, 1]]))
    np.savez(tmp_path / "two.npz", words=np.array([[0], [1]]))
    command = [sys.executable, "-m", "keras_attention.export", "model.keras", "served/words"]
    process = subprocess.run(
        [*command, "--example", "one.npz", "--example", "two.npz"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(keras_attention.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    first, second, _, *text = process.stdout.splitlines()
    assert first.startswith(f"{Path('served', 'words', '1')}: version 1, 0.0")
    assert second.startswith("Checked: ")
    assert text[0] == "serving_default"
    assert '"inputs": {"words": [[1, 0, 1]]}' in text[-1]
    assert (tmp_path / "served" / "words" / "1" / "saved_model.pb").exists()


def test_a_failure_prints_one_line_and_returns_1(model_file, tmp_path, capsys):
    np.savez(tmp_path / "wrong.npz", sentence=np.array([[1]]))
    arguments = [str(model_file), str(tmp_path / "m"), "--example", str(tmp_path / "wrong.npz")]
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: Expected an example with the inputs ['words']")
    assert main([str(tmp_path / "missing.keras"), str(tmp_path / "m")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "missing.keras" in line
    assert not (tmp_path / "m").exists()


def test_wrong_usage_returns_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["model.keras"])
    assert stop.value.code == 2
    assert "usage: python -m keras_attention.export" in capsys.readouterr().err


MODULE = """
import keras
import keras_attention

@keras.saving.register_keras_serializable()
class ImportedScore(keras_attention.score.Score):
    def compare(self, query, key):
        return keras.ops.matmul(query, keras.ops.swapaxes(key, -1, -2))
"""


def test_a_module_is_imported_before_the_model_is_loaded(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_scores.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    from my_scores import ImportedScore  # pyright: ignore[reportMissingImports]

    inputs = keras.Input((None, 3), name="x")
    layer = keras_attention.Attention(ImportedScore())
    keras.Model(inputs, layer(inputs)).save(tmp_path / "model.keras")
    # The export must not find the class in this process.
    del sys.modules["my_scores"], inputs, layer
    keras.saving.get_custom_objects().pop("Custom>ImportedScore")

    arguments = [str(tmp_path / "model.keras"), str(tmp_path / "served")]
    assert main(arguments) == 1
    assert "--import MODULE" in capsys.readouterr().err
    assert main([*arguments, "--import", "no_such_module"]) == 1
    assert "error: No module named 'no_such_module'" in capsys.readouterr().err
    assert main([*arguments, "--import", "my_scores"]) == 0
    assert (tmp_path / "served" / "1" / "saved_model.pb").exists()


def test_the_help_describes_options_and_commands(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    options = ("--example", "--import", "--signature", "--lengths", "--timeout", "--json")
    assert all(option in text for option in options)
    for command in ("check", "label", "prune"):
        assert f"\n  {command} DIR" in text
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0 and "show this help" in capsys.readouterr().out


@pytest.fixture
def classifier_file(tmp_path):
    """A saved model with an attention layer, which masks the id 0."""
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = keras.layers.Embedding(2, 3, mask_zero=True)(words)
    pooled = keras_attention.AttentionPooling(name="pooling")(embedded)
    keras.Model(words, pooled).save(tmp_path / "model.keras")
    return str(tmp_path / "model.keras")


def test_signatures_with_attention_weights_and_lengths(classifier_file, tmp_path, capsys):
    arguments = [classifier_file, str(tmp_path / "m"), "--signature", "attention"]
    assert main([*arguments, "--lengths", "words=0", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True and document["version"] == 1 and document["bytes"] > 1000
    assert document["signatures"].keys() == {"serving_default", "attention"}
    inputs = {"words": np.int32([[1, 1, 1]]), "lengths": np.int32([2])}
    answer = export.run_in_c_loader(document["path"], "attention", inputs)
    np.testing.assert_allclose(answer["pooling"], [[0.5, 0.5, 0]], atol=1e-6)

    assert main([*arguments, "--lengths", "sentence=0", "--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["ok"] is False and "names of inputs" in printed.err
    for wrong in (["--lengths", "words"], ["--signature", "decode"]):
        with pytest.raises(SystemExit) as stop:
            main([*arguments, *wrong])
        assert stop.value.code == 2


def test_lengths_name_a_padding_value_or_a_mask():
    for text, expected in [("a=0", 0), ("a=-1.5", -1.5), ("a=mask", "mask"), ("a=", "")]:
        assert _parse_lengths(text) == ("a", expected)


class Unregistered(keras.layers.Layer):
    def call(self, x):
        return x


def test_an_error_of_keras_is_short(tmp_path, capsys):
    x = keras.Input((None, 4), name="x")
    hidden = x
    for _ in range(20):
        hidden = keras.layers.Dense(4)(hidden)
    keras.Model(x, Unregistered()(hidden)).save(tmp_path / "model.keras")
    assert main([str(tmp_path / "model.keras"), str(tmp_path / "m")]) == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: Could not locate class 'Unregistered'") and len(error) < 400
    assert "--import MODULE" in hint
