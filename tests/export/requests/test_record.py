"""The record of an export: its contents, and the kept answers."""

import contextlib
import importlib.metadata
import json
import subprocess

import keras
import numpy as np
import pytest

import keras_attention
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
    assert sizes == {"dtype": "int32", "shape": ["batch", None], "below": 11}
    outputs = content["signatures"]["serving_default"]["outputs"]
    assert outputs["logits"] == {"dtype": "float32", "shape": [None, None, 11]}
    shapes = {key: list(value.shape) for key, value in examples[0].items()}
    assert {"signature": "serving_default", "shapes": shapes} in content["examples"]
    assert 0 <= content["largest_difference"] < 1e-4
    assert all(signature["reproducible"] for signature in content["signatures"].values())
    assert content["remarks"] == [] and not content["half_precision"]


def test_versions_are_those_of_the_imported_packages_without_an_installation(monkeypatch):
    def find_none(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", find_none)
    versions = record._find_package_versions()
    assert versions["keras-attention-layers"] == keras_attention.__version__
    assert versions["keras"] == keras.__version__ and versions["tensorflow"] is None


def test_each_request_has_an_answer(translator_export):
    model, examples, path = translator_export
    names = [file.name for file in sorted((path / "assets.extra/requests").iterdir())]
    assert [file.name for file in sorted((path / record.ANSWERS).iterdir())] == names
    answer = json.loads((path / record.ANSWERS / "serving_default.json").read_text())["outputs"]
    expected = model(examples[0], training=False)
    for name, value in expected.items():
        np.testing.assert_allclose(answer[name], value, rtol=1e-3, atol=1e-5)


def test_answers_that_may_change_are_not_kept(tmp_path):
    import tensorflow as tf

    count, factor = keras.Variable(1.0, name="count"), keras.Variable(2.0, name="factor")
    generator = keras.random.SeedGenerator(3)
    table = tf.lookup.experimental.MutableHashTable("int64", "float32", 0.0)

    def change(x):
        count.assign_add(factor)
        table.insert(tf.cast(x, "int64"), x)
        return {"y": x + count}

    def sample_if_negative(x):
        # The probability of a sample is 0, so that the answers can be compared.
        drawn = tf.random.uniform(tf.shape(x))
        return {"y": x + tf.cast(drawn < 0, "float32")}

    functions = {
        "serving_default": lambda x: {"y": x * factor},
        "change": change,
        "read_changed": lambda x: {"y": x * count},
        "look_up_changed": lambda x: {"y": table.lookup(tf.cast(x, "int64"))},
        "draw": lambda x: {"y": x + keras.random.normal(keras.ops.shape(x), seed=generator)},
        "sample": sample_if_negative,
    }
    specs, resources = [export.Spec("x", (None,), "float32")], [table]
    signatures = {name: (function, specs, resources) for name, function in functions.items()}
    with pytest.warns(UserWarning, match="change variables"):
        path = export.saved_model(None, tmp_path / "m", signatures)
    described = load_record(path)["signatures"]
    assert [name for name in functions if described[name]["reproducible"]] == ["serving_default"]
    kept = [file.name for file in (path / record.ANSWERS).iterdir()]
    assert kept == ["serving_default.json"]


@pytest.mark.parametrize("is_used", [False, True])
def test_an_answer_that_depends_on_no_changed_state_is_kept(is_used, tmp_path):
    x = keras.Input((2, 3), name="x")
    lstm = keras.layers.LSTM(2, dropout=0.5)  # draws numbers also when it does not use them
    model = keras.Model(x, lstm(x))
    signatures = {"train": (lambda x: lstm(x, training=True), [x])} if is_used else None
    expected = "change variables" if is_used else None
    with pytest.warns(UserWarning, match=expected) if expected else contextlib.nullcontext():
        path = export.saved_model(model, tmp_path / "m", signatures)
    described = load_record(path)["signatures"]
    assert described["serving_default"]["reproducible"]
    if is_used:
        assert not described["train"]["reproducible"]
    kept = [file.name for file in (path / record.ANSWERS).iterdir()]
    assert kept == ["serving_default.json"]


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
