"""The program that stands in for a server: every dtype in and out, and what it must refuse."""

import shutil

import keras
import ml_dtypes
import numpy as np
import pytest

from keras_attention.export import run_in_c_loader
from keras_attention.export.checks import fresh_process
from keras_attention.export.checks.c_loader.arrays import as_array, pack, unpack
from keras_attention.export.checks.c_loader.library import open_library
from keras_attention.export.checks.fresh_process import run_calls
from keras_attention.export.checks.graph import read

NUMBERS = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "bool"),
)


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    """A SavedModel that returns what it is given, and one function that must be compiled."""
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    specs = [tf.TensorSpec(None, dtype, name=f"in_{dtype}") for dtype in (*NUMBERS, "string")]
    archive.add_endpoint(
        "echo",
        lambda *tensors: {f"out_{tensor.dtype.name}": tf.identity(tensor) for tensor in tensors},
        specs,
    )
    archive.add_endpoint(
        "join",
        lambda a: {"joined": tf.strings.join([a, a]), "long": tf.strings.length(a)},
        [tf.TensorSpec(None, "string", name="a")],
    )
    archive.add_endpoint(
        "compiled",
        tf.function(lambda x: {"y": x + 1}, jit_compile=True),
        [tf.TensorSpec((None,), "float32", name="x")],
    )
    path = tmp_path_factory.mktemp("echo") / "1"
    archive.write_out(str(path), verbose=False)
    return path


def values(dtype, shape):
    numbers = np.random.default_rng(0).integers(0, 2, shape)
    return np.asarray(numbers).astype(dtype)


def test_every_dtype_and_shape_comes_back_as_it_was(echo):
    calls = []
    for shape in [(), (0,), (3, 0, 2), (2, 3, 5)]:
        inputs = {f"in_{dtype}": values(dtype, shape) for dtype in NUMBERS}
        texts = np.array([b"", b"short", b"zero\0", "längere Zeile ".encode() * 9], object)
        inputs["in_string"] = np.resize(texts, shape) if shape else np.array(texts[2], object)
        calls.append(("echo", inputs))
    for (_, inputs), answer in zip(calls, run_calls(echo, calls), strict=True):
        for name, array in inputs.items():
            back = answer[name.replace("in_", "out_")]
            assert (back.dtype, back.shape) == (array.dtype, array.shape), name
            assert back.tolist() == array.tolist(), name


def test_text_of_any_length_goes_in_and_comes_out(echo):
    texts = ["", "ab", "x" * 22, "x" * 23, "ü" * 500, b"\0\xff"]
    answer = run_in_c_loader(echo, "join", {"a": texts})
    encoded = [text.encode() if isinstance(text, str) else text for text in texts]
    assert answer["joined"].tolist() == [text + text for text in encoded]
    assert answer["long"].tolist() == [len(text) for text in encoded]


def test_a_function_that_must_be_compiled_fails_as_in_a_stock_server_and_runs_with_xla(echo):
    inputs = {"x": np.ones(2, "float32")}
    with pytest.raises(RuntimeError, match="signature 'compiled'.*XLA compilation disabled"):
        run_in_c_loader(echo, "compiled", inputs)
    answer = run_in_c_loader(echo, "compiled", inputs, disable_xla=False)
    assert answer["y"].tolist() == [2, 2]


def test_an_unknown_signature_is_refused_with_the_known_ones(echo):
    with pytest.raises(RuntimeError, match=r"signature of \['compiled', 'echo', .*Received: 'no'"):
        run_in_c_loader(echo, "no", {})


def test_other_inputs_than_the_signatures_are_refused(echo):
    with pytest.raises(RuntimeError, match=r"the inputs \['a'\].*Received: inputs=\['b'\]"):
        run_in_c_loader(echo, "join", {"b": ["x"]})


def test_a_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="failed in loading"):
        run_in_c_loader(tmp_path, "serving_default", {})


def test_a_signature_of_a_tensor_that_is_not_in_the_graph_is_refused(echo, tmp_path):
    from tensorflow.core.protobuf import saved_model_pb2

    path = shutil.copytree(echo, tmp_path / "1")
    whole = saved_model_pb2.SavedModel(meta_graphs=[read(path)], saved_model_schema_version=1)
    info = whole.meta_graphs[0].signature_def["join"].outputs["long"]
    info.name = info.name.replace("P", "Q")
    (path / "saved_model.pb").write_bytes(whole.SerializeToString())
    with pytest.raises(RuntimeError, match="in the graph. Received: '(Stateful)?QartitionedCall"):
        run_in_c_loader(path, "join", {"a": ["x"]})


def test_a_process_that_dies_is_said_to_have_died_by_which_signal(tmp_path, monkeypatch):
    (tmp_path / "dies.py").write_text(
        "import os, sys; sys.stderr.write('noise'); sys.stderr.flush(); os.kill(os.getpid(), 9)"
    )
    monkeypatch.setattr(fresh_process, "PROGRAM", tmp_path / "dies.py")
    with pytest.raises(RuntimeError, match=r"^The loading process ended by signal 9\.$"):
        run_in_c_loader(tmp_path, "join", {})


def test_a_process_with_keras_in_it_proves_nothing_and_says_so(echo, tmp_path, monkeypatch):
    (tmp_path / "keras.py").write_text("")
    (tmp_path / "sitecustomize.py").write_text("import keras")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"Expected neither Keras.*Received: \['keras'\]"):
        run_in_c_loader(echo, "join", {"a": ["x"]})


def test_a_tensorflow_without_its_library_says_what_was_expected(tmp_path):
    (tmp_path / "tensorflow_cc.dll").write_text("")
    with pytest.raises(RuntimeError, match=r"libtensorflow_cc\.so\.2.*\['tensorflow_cc.dll'\]"):
        open_library(str(tmp_path))


def test_arrays_survive_the_file_between_the_processes(tmp_path):
    rows = [
        {"a": np.array(2.5, ml_dtypes.bfloat16), "b/c": np.zeros((0, 3), "int8")},
        {},
        {
            "a": as_array([["x", b"y\0"], ["", "z"]]),
            "t": as_array("one"),
            "none": as_array(np.empty((2, 0), object)),
        },
    ]
    np.savez(tmp_path / "rows.npz", **pack(rows))
    with np.load(tmp_path / "rows.npz") as flat:
        back = unpack(flat, 3)
    for row, copy in zip(rows, back, strict=True):
        assert row.keys() == copy.keys()
        for name, array in row.items():
            assert (copy[name].dtype, copy[name].shape) == (array.dtype, array.shape)
            assert copy[name].tolist() == array.tolist()


def test_what_is_neither_number_nor_text_is_refused():
    with pytest.raises(ValueError, match="Expected numbers, or str and bytes. Received: "):
        as_array([None])
