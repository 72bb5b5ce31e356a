"""`check`: the description of a SavedModel, and the problems that it reports."""

import shutil
import subprocess

import keras
import pytest

from keras_attention import export
from keras_attention.export.__main__ import main
from keras_attention.export.checks import digests
from keras_attention.export.checks.graph import load_meta_graph
from keras_attention.export.checks.report import find_version
from tests.export.checks.test_trial_requests import write

X = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")


@pytest.fixture
def copy(translator_export, tmp_path):
    """A copy of the export for tests that damage it, without digests, which would detect it."""
    path = shutil.copytree(translator_export[2], tmp_path / "translator" / "7")
    (path / digests.FILE).unlink()
    return path


def write_unchecked(path, function, dtype="float32"):
    """Write a SavedModel without the checks of `export.saved_model`."""
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.add_endpoint("serve", function, [tf.TensorSpec((None, 2), dtype, name="x")])
    archive.write_out(str(path), verbose=False)
    return path


def test_a_valid_export_is_described_and_loaded(translator_export):
    lines, problems = export.check(translator_export[2])
    assert problems == []
    assert lines[0].startswith(f"{translator_export[2]}: 0.")
    assert "serving_default" in lines and "  output logits: float32 (?, ?, 11)" in lines
    assert any(line.endswith(", …") and "MatMul" in line for line in lines)
    # The model masks id 0, but a server pads with other ids.
    padding = "pads requests (pad_variable_length_inputs), which keras_attention.export.with_"
    assert any(padding in line and line.endswith("output summary") for line in lines)
    assert lines[-1].startswith("loaded, and 4 warm-up requests answered")


def test_a_model_directory_stands_for_its_largest_version(copy):
    shutil.copytree(copy, copy.parent / "10")
    (copy.parent / ".export-left-over").mkdir()
    assert find_version(copy.parent) == copy.parent / "10"
    assert find_version(copy) == copy


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_directory_without_a_model_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="`path` to be a SavedModel, or a directory of"):
        export.check(tmp_path / name)


def test_a_function_that_must_be_compiled_is_reported_as_a_problem(tmp_path):
    import tensorflow as tf

    path = write_unchecked(tmp_path / "1", tf.function(lambda x: x + 1, jit_compile=True))
    _, problems = export.check(path)
    assert "no function with jit_compile=True" in problems[0]


def test_an_unknown_operation_is_found_in_the_graph_and_by_loading(copy):
    from tensorflow.core.protobuf import saved_model_pb2

    meta = load_meta_graph(copy)
    functions = meta.graph_def.library.function
    # All of them, because the order of the functions, and with it whether loading fails or only the
    # first request, depends on how many functions this process has traced before.
    for node in (node for function in functions for node in function.node_def):
        if node.op == "MatMul":
            node.op = "OwnMatMul"
    saved_model = saved_model_pb2.SavedModel(meta_graphs=[meta], saved_model_schema_version=1)
    (copy / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    _, problems = export.check(copy)
    assert problems[0].endswith("Received: ['OwnMatMul']")
    assert "to run in the C++ loader" in problems[1] and "OwnMatMul" in problems[1]


@pytest.mark.parametrize(
    "file",
    ["saved_model.pb", "variables/variables.index", "assets.extra/tf_serving_warmup_requests"],
)
def test_a_truncated_file_is_reported_as_a_problem(copy, file, capsys):
    content = (copy / file).read_bytes()
    (copy / file).write_bytes(content[: len(content) * 2 // 3])
    assert main(["check", str(copy)]) == 1
    assert "problem: Expected" in capsys.readouterr().err


def test_a_flipped_bit_in_any_file_is_reported_as_a_problem(translator_export, tmp_path):
    path = shutil.copytree(translator_export[2], tmp_path / "1")
    files = [file for file in path.rglob("*") if file.is_file()]
    assert len(files) > 5
    for file in files:
        original = file.read_bytes()
        flipped = bytearray(original)
        flipped[len(original) // 2] ^= 4
        file.write_bytes(flipped)
        lines, problems = export.check(path)
        assert lines == [str(path)] and "as it was exported" in problems[0]
        file.write_bytes(original)
    assert list(digests.find_changed_files(path)) == []
    (path / "batching_params.pbtxt").write_text("")
    lines, problems = export.check(path)
    assert problems == [] and "not part of the export: batching_params.pbtxt" in lines
    (path / "saved_model.pb").unlink()
    assert "Expected 'saved_model.pb'" in next(digests.find_changed_files(path))


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="sha256sum is not installed")
def test_sha256sum_accepts_the_digests(translator_export):
    path = translator_export[2]
    command = ["sha256sum", "--check", "--quiet", str(digests.FILE)]
    assert subprocess.run(command, cwd=path, check=False).returncode == 0


def test_unexpected_behavior_is_reported_as_a_remark(tmp_path):
    generator = keras.random.SeedGenerator(0)

    def noisy(x):
        import tensorflow as tf

        return {"noisy": tf.cast(x + keras.random.normal((2,), seed=generator), "bfloat16")}

    lines, problems = export.check(write_unchecked(tmp_path / "1", noisy))
    assert problems == []
    assert "not for REST, because JSON has no bfloat16: serve, output noisy" in lines
    assert any(line.startswith("keeps state between requests") for line in lines)


def test_the_command_checks_several_directories_and_fails_if_one_fails(
    translator_export, tmp_path, capsys
):
    path = str(translator_export[2])
    assert main(["check", path]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(path) and "problem" not in printed.err
    assert main(["check", str(tmp_path / "none"), path]) == 1
    printed = capsys.readouterr()
    assert "warm-up requests answered" in printed.out and "problem: Expected" in printed.err


def test_the_names_of_missing_directories_are_escaped(capsys):
    assert main(["check", "none\x1b[2J", "\u202enone"]) == 1
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err and "\u202e" not in printed.out + printed.err
    assert r"none\x1b[2J: NOT OK" in printed.out and r"\u202enone: NOT OK" in printed.out


def test_a_signature_with_lengths_is_not_said_to_have_none(tmp_path):
    """The outputs change, although there is an input `lengths`, which this graph ignores."""
    import tensorflow as tf

    def mean(v, lengths):
        return {"y": tf.reduce_mean(v, 1) + 0 * tf.cast(lengths, "float32")}

    specs = {"v": ((None, None), "float32"), "lengths": ((None,), "int32")}
    lines, problems = export.check(write(tmp_path / "1", mean, **specs))
    remarks = [line for line in lines if "pad_variable_length_inputs" in line]
    assert problems == []
    assert any(remark.endswith(": mean, output y") for remark in remarks)
    assert not any("has no" in remark for remark in remarks)
