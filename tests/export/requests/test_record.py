"""The record of an export: its contents, and the kept answers."""

import json
import subprocess

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.requests import record


def load_record(path):
    return json.loads((path / record.FILE).read_text())


def test_the_record_describes_the_export(translator_export):
    _, examples, path = translator_export
    content = load_record(path)
    assert content["versions"]["keras"] == keras.__version__
    assert set(record.PACKAGES) <= content["versions"].keys()
    sizes = content["signatures"]["serving_default"]["inputs"]["source"]
    assert sizes == {"dtype": "int32", "shape": ["batch", None], "below": None}
    outputs = content["signatures"]["serving_default"]["outputs"]
    assert outputs["logits"] == {"dtype": "float32", "shape": [None, None, 11]}
    shapes = {key: list(value.shape) for key, value in examples[0].items()}
    assert {"signature": "serving_default", "shapes": shapes} in content["examples"]
    assert 0 <= content["largest_difference"] < 1e-4
    assert content["reproducible"] and content["remarks"] == [] and not content["half_precision"]


def test_each_request_has_an_answer(translator_export):
    model, examples, path = translator_export
    names = [file.name for file in sorted((path / "assets.extra/requests").iterdir())]
    assert [file.name for file in sorted((path / record.ANSWERS).iterdir())] == names
    answer = json.loads((path / record.ANSWERS / "serving_default.json").read_text())["outputs"]
    expected = model(examples[0], training=False)
    for name, value in expected.items():
        np.testing.assert_allclose(answer[name], value, rtol=1e-3, atol=1e-5)


def test_answers_of_a_graph_with_state_are_not_kept(tmp_path):
    generator = keras.random.SeedGenerator(3)

    class Noise(keras.Layer):
        def __init__(self):
            super().__init__()
            self.generator = generator

        def call(self, x):
            return x + keras.random.normal(keras.ops.shape(x), seed=self.generator)

    x = keras.Input((2,), name="x")
    path = export.saved_model(keras.Model(x, Noise()(x)), tmp_path / "noise")
    content = load_record(path)
    assert not content["reproducible"] and "keeps state" in content["remarks"][0]
    assert not (path / record.ANSWERS).exists()


def test_a_long_answer_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "MAX_ANSWER_CHARACTERS", 60)
    x = keras.Input((None,), name="x")
    model = keras.Model(x, {"y": x * 2})
    example = [{"x": np.ones((1, 2), "float32")}, {"x": np.ones((1, 90), "float32")}]
    path = export.saved_model(model, tmp_path / "short", example=example)
    assert (path / record.ANSWERS / "serving_default.json").exists()
    path = export.saved_model(model, tmp_path / "long", example=example[::-1])
    assert not (path / record.ANSWERS / "serving_default.json").exists()


def test_the_kept_answer_is_that_of_the_kept_request(tmp_path):
    x = keras.Input((None,), name="x")
    model = keras.Model(x, {"size": keras.ops.sum(x, axis=-1)})
    large, small = np.ones((1, 400_000), "float32"), np.full((1, 3), 5, "float32")
    path = export.saved_model(model, tmp_path / "m", example=[{"x": large}, {"x": small}])
    request = json.loads((path / "assets.extra/requests/serving_default.json").read_text())
    answer = json.loads((path / record.ANSWERS / "serving_default.json").read_text())
    assert request["inputs"] == {"x": small.tolist()}
    assert answer["outputs"] == {"size": [15.0]}


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "complex64"])
def test_the_largest_difference_is_that_of_any_number(dtype):
    one = {"y": np.array([[0, 1]], dtype), "text": np.array([b"a"], object)}
    other = {"y": np.array([[1, 1]], dtype), "text": np.array([b"b"], object)}
    assert record.find_largest_difference(one, other) == (0 if dtype == "bool" else 1)


def test_not_a_number_and_infinity_have_no_difference():
    one = {"y": np.array([np.nan, np.inf, 2.0])}
    other = {"y": np.array([np.nan, np.inf, 2.5])}
    assert record.find_largest_difference(one, other) == 0.5


def test_the_commit_is_that_of_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert record._find_commit() is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    assert record._find_commit() == commit.strip()
