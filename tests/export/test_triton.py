"""Triton model repositories: their files, configurations and refusals, without a Triton server."""

import shutil
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.checks import c_loader
from keras_attention.export.checks.c_loader import model as c_loader_model
from keras_attention.export.checks.graph import load_meta_graph
from keras_attention.export.triton import model as program
from keras_attention.export.triton import repository
from keras_attention.export.triton.config import format_config


class Tensor:
    """Triton's tensor, as far as the model uses it."""

    def __init__(self, name, array):
        self.name, self.array = name, array

    def as_numpy(self):
        return self.array


def make_backend():
    """Return a module like the one that Triton's Python backend provides."""
    module = types.ModuleType("triton_python_backend_utils")
    module.Tensor, module.TritonError = Tensor, str
    module.get_input_tensor_by_name = lambda request, name: Tensor(name, request[name])
    module.InferenceResponse = lambda tensors=(), error=None: (
        error or {tensor.name: tensor.array for tensor in tensors}
    )
    return module


@pytest.fixture
def model(monkeypatch):
    """The class that Triton calls, with a backend and a SavedModel that are stand-ins."""
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", make_backend())
    # The model runs in this process, which has all of these modules already.
    monkeypatch.setattr(program, "_register_package", lambda name, folder: None)
    monkeypatch.setattr(c_loader_model, "Model", lambda *_, **options: FakeModel(options))
    model = program.TritonPythonModel()
    config = '{"input": [{"name": "x"}], "parameters": {"signature": {"string_value": "double"},'
    config += '"tensorflow": {"string_value": "/none"}}}'
    model.initialize({"model_config": config})
    return model


class FakeModel:
    """A model that doubles its input, refuses negative numbers, and counts its calls."""

    calls = 0

    def __init__(self, options):
        self.options = options

    def run(self, signature, inputs):
        assert signature == "double"
        self.calls += 1
        if np.any(inputs["x"] < 0):
            raise RuntimeError("Expected no negative number")
        return {"y": 2 * inputs["x"]}


def test_requests_are_answered_by_one_call(model):
    requests = [{"x": np.full((rows, 2), rows)} for rows in (1, 3, 2)]
    for request, answer in zip(requests, model.execute(requests), strict=True):
        np.testing.assert_array_equal(answer["y"], 2 * request["x"])
    assert model.model.calls == 1


def test_an_invalid_request_does_not_affect_the_others(model):
    requests = [{"x": np.full((2, 2), number)} for number in (1, -1, 3)]
    first, refused, last = model.execute(requests)
    assert refused == "Expected no negative number"
    np.testing.assert_array_equal(first["y"], [[2, 2], [2, 2]])
    np.testing.assert_array_equal(last["y"], [[6, 6], [6, 6]])


def test_a_repository_is_complete(translator_export, tmp_path):
    *_, path = translator_export
    directories = export.triton(path.parent, tmp_path / "models", tensorflow="/tf")
    assert [one.name for one in directories] == ["translator_encode", "translator_serving_default"]
    version = directories[0] / "1"
    modules = {file.name for file in (version / "c_loader").iterdir()}
    files = Path(c_loader.__file__).parent.glob("*.py")
    assert modules == {file.name for file in files if not file.name.startswith("__")}
    for file in path.rglob("*"):
        if file.is_file():
            copy = version / "saved_model" / file.relative_to(path)
            assert copy.read_bytes() == file.read_bytes()
    assert (version / "model.py").exists()
    config = (directories[1] / "config.pbtxt").read_text()
    assert 'input [ { name: "source" data_type: TYPE_INT32 dims: [-1] } ]' in config
    assert 'output [ { name: "logits" data_type: TYPE_FP32 dims: [-1, 11] } ]' in config
    assert 'key: "tensorflow" value { string_value: "/tf" }' in config
    assert "max_batch_size: 64\n" in config and "dynamic_batching" in config


def test_a_scalar_output_is_no_batch(model, monkeypatch):
    monkeypatch.setattr(model.model, "run", lambda _, inputs: {"y": np.sum(inputs["x"])})
    answers = model.execute([{"x": np.full((2, 2), number)} for number in (1, 3)])
    assert [answer["y"].tolist() for answer in answers] == [4, 12]


def test_xla_is_enabled(model):
    # Triton has no flag for XLA, and an export with xla=True fails without it.
    assert model.model.options == {"disable_xla": False}


def test_a_failure_leaves_no_version(translator_export, tmp_path, monkeypatch):
    *_, path = translator_export
    copied = []

    def copy(source, target):
        copied.append(target)
        if "_serving_default" in str(target):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(repository, "_link_or_copy", copy)
    with pytest.raises(OSError, match="No space left"):
        export.triton(path, tmp_path / "models")
    assert any("translator_encode" in str(target) for target in copied)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_second_version_is_added_and_an_existing_one_refused(translator_export, tmp_path):
    *_, path = translator_export
    shutil.copytree(path, tmp_path / "translator" / "2")
    first = export.triton(path, tmp_path / "models")
    with pytest.raises(ValueError, match="not in the repository yet.*version 1 of"):
        export.triton(path, tmp_path / "models")
    export.triton(tmp_path / "translator", tmp_path / "models")
    names = sorted(entry.name for entry in first[0].iterdir())
    assert names == ["1", "2", "config.pbtxt"]


def format_only(signature, path, **options):
    options = {"max_batch_size": 8, "max_delay": 0, **options}
    definition = load_meta_graph(path).signature_def[signature]
    return format_config("m", definition, {"signature": signature}, **options)


def test_axes_that_triton_cannot_describe_are_added(tmp_path):
    x = keras.Input((), name="x")
    path = export.saved_model(keras.Model(x, x * 2), tmp_path / "m")
    text = format_only("serving_default", path)
    assert 'name: "x" data_type: TYPE_FP32 dims: [1] reshape { shape: [] }' in text
    text = format_only("serving_default", path, max_batch_size=0)
    assert "max_batch_size: 0\n" in text and 'name: "x" data_type: TYPE_FP32 dims: [-1]' in text
    assert "dynamic_batching" not in text


def test_a_fixed_batch_is_not_joined(tmp_path):
    x = keras.Input(batch_shape=(2, 3), name="x")
    path = export.saved_model(keras.Model(x, x * 2), tmp_path / "m")
    text = format_only("serving_default", path)
    assert "max_batch_size: 0\n" in text and "dims: [2, 3]" in text


def test_invalid_arguments_are_refused(translator_export, tmp_path):
    *_, path = translator_export
    with pytest.raises(ValueError, match="Expected `max_batch_size` .*max_batch_size=-1"):
        export.triton(path, tmp_path, max_batch_size=-1)
    shutil.copytree(path, tmp_path / "copy")
    with pytest.raises(ValueError, match="whose name is a number"):
        export.triton(tmp_path / "copy", tmp_path / "models")
    x = keras.Input((2,), dtype="bfloat16", name="x")
    half = export.saved_model(keras.Model(x, x * 2), tmp_path / "half")
    with pytest.raises(ValueError, match="Expected the input 'x' .*DataType 14"):
        export.triton(half, tmp_path / "models")
    assert not (tmp_path / "models").exists()
