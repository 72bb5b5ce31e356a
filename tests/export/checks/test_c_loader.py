"""The loader process, which stands in for a server: dtypes, strings, and refused requests."""

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
from keras_attention.export.checks.graph import load_meta_graph

NUMBERS = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "bool"),
)
TEXTS = ["", "ab", "x" * 22, "x" * 23, "ü" * 500, b"\0\xff"]
SHAPES = [(), (0,), (3, 0, 2), (2, 3, 5)]


@pytest.fixture(scope="module", autouse=True)
def use_shared_loader():
    """Override the fixture that shares a process: these tests check the package's own process."""


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    """A SavedModel that returns its inputs, and has one function that must be compiled by XLA."""
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


def echo_inputs(shape):
    """Return inputs of every dtype."""
    bits = np.random.default_rng(0).integers(0, 2, shape)
    inputs = {f"in_{dtype}": np.asarray(bits).astype(dtype) for dtype in NUMBERS}
    texts = np.array([b"", b"short", b"zero\0", "längere Zeile ".encode() * 9], object)
    inputs["in_string"] = np.resize(texts, shape) if shape else np.array(texts[2], object)
    return inputs


@pytest.fixture(scope="module")
def answers(echo):
    """Answers of one process: `echo` for each of SHAPES, and `join` last."""
    calls = [("echo", echo_inputs(shape)) for shape in SHAPES]
    return run_calls(echo, [*calls, ("join", {"a": TEXTS})])


@pytest.mark.parametrize("index", range(len(SHAPES)), ids=[str(shape) for shape in SHAPES])
def test_every_dtype_and_shape_is_returned_unchanged(answers, index):
    for name, array in echo_inputs(SHAPES[index]).items():
        returned = answers[index][name.replace("in_", "out_")]
        assert (returned.dtype, returned.shape) == (array.dtype, array.shape), name
        assert returned.tolist() == array.tolist(), name


def test_strings_of_any_length_are_sent_and_returned(answers):
    encoded = [text.encode() if isinstance(text, str) else text for text in TEXTS]
    assert answers[-1]["joined"].tolist() == [text + text for text in encoded]
    assert answers[-1]["long"].tolist() == [len(text) for text in encoded]


def test_a_function_that_must_be_compiled_fails_without_xla_and_runs_with_it(echo):
    inputs = {"x": np.ones(2, "float32")}
    with pytest.raises(RuntimeError, match="signature 'compiled'.*XLA compilation disabled"):
        run_in_c_loader(echo, "compiled", inputs)
    answer = run_in_c_loader(echo, "compiled", inputs, disable_xla=False)
    assert answer["y"].tolist() == [2, 2]


def test_an_unknown_signature_is_refused_and_the_existing_ones_are_listed(echo):
    with pytest.raises(RuntimeError, match=r"signature of \['compiled', 'echo', .*Received: 'no'"):
        run_in_c_loader(echo, "no", {})


def test_unknown_inputs_are_refused(echo, loader_process):
    with pytest.raises(RuntimeError, match=r"the inputs \['a'\].*Received: inputs=\['b'\]"):
        loader_process.run_calls(echo, [("join", {"b": ["x"]})])


def test_a_directory_without_a_model_is_refused(loader_process, tmp_path):
    with pytest.raises(RuntimeError, match="failed in loading"):
        loader_process.run_calls(tmp_path, [("serving_default", {})])


def test_a_signature_of_a_tensor_that_is_not_in_the_graph_is_refused(
    echo, loader_process, tmp_path
):
    from tensorflow.core.protobuf import saved_model_pb2

    path = shutil.copytree(echo, tmp_path / "1")
    meta = load_meta_graph(path)
    saved_model = saved_model_pb2.SavedModel(meta_graphs=[meta], saved_model_schema_version=1)
    info = saved_model.meta_graphs[0].signature_def["join"].outputs["long"]
    info.name = info.name.replace("P", "Q")
    (path / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    with pytest.raises(RuntimeError, match="in the graph. Received: '(Stateful)?QartitionedCall"):
        loader_process.run_calls(path, [("join", {"a": ["x"]})])


def test_a_killed_process_is_reported_with_its_signal(tmp_path, monkeypatch):
    (tmp_path / "dies.py").write_text(
        "import os, sys; sys.stderr.write('noise'); sys.stderr.flush(); os.kill(os.getpid(), 9)"
    )
    monkeypatch.setattr(fresh_process, "PROGRAM", tmp_path / "dies.py")
    with pytest.raises(RuntimeError, match=r"^The loading process ended by signal 9\.$"):
        run_in_c_loader(tmp_path, "join", {})


def test_a_process_that_has_imported_keras_is_refused(echo, tmp_path, monkeypatch):
    (tmp_path / "keras.py").write_text("")
    (tmp_path / "sitecustomize.py").write_text("import keras")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"Expected neither Keras.*Received: \['keras'\]"):
        run_in_c_loader(echo, "join", {"a": ["x"]})


def test_a_tensorflow_without_its_library_is_reported(tmp_path):
    (tmp_path / "tensorflow_cc.dll").write_text("")
    with pytest.raises(RuntimeError, match=r"libtensorflow_cc\.so\.2.*\['tensorflow_cc.dll'\]"):
        open_library(str(tmp_path))


def test_arrays_are_unpacked_as_they_were_packed(tmp_path):
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
    with np.load(tmp_path / "rows.npz") as packed:
        unpacked = unpack(packed, 3)
    for row, copy in zip(rows, unpacked, strict=True):
        assert row.keys() == copy.keys()
        for name, array in row.items():
            assert (copy[name].dtype, copy[name].shape) == (array.dtype, array.shape)
            assert copy[name].tolist() == array.tolist()


def test_values_that_are_neither_numbers_nor_strings_are_refused():
    expected = "Expected only numbers, or only str and bytes. Received: "
    with pytest.raises(ValueError, match=expected):
        as_array([None])
