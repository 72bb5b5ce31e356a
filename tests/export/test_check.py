"""The report on a SavedModel: what it is, what a stock server could not run, what is broken."""

import shutil
import subprocess

import keras
import pytest

from keras_attention import export
from keras_attention.export.__main__ import main
from keras_attention.export.check import version_of
from keras_attention.export.checks import digests
from keras_attention.export.checks.graph import read

X = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")


@pytest.fixture
def copy(exported, tmp_path):
    """A copy of the exported version, to break; without the digests, which would show it."""
    path = shutil.copytree(exported[2], tmp_path / "translator" / "7")
    (path / digests.FILE).unlink()
    return path


def written(path, function, dtype="float32"):
    """A SavedModel without the checks of `export.saved_model`."""
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.add_endpoint("serve", function, [tf.TensorSpec((None, 2), dtype, name="x")])
    archive.write_out(str(path), verbose=False)
    return path


def test_what_is_well_is_described_and_loaded(exported):
    lines, problems = export.check(exported[2])
    assert problems == []
    assert lines[0].startswith(f"{exported[2]}: 0.")
    assert "serving_default" in lines and "  output logits: float32 (?, ?, 11)" in lines
    assert any(line.endswith(", …") and "MatMul" in line for line in lines)
    # It finds its padding by id 0, and a server pads with other ids.
    padding = "pads requests (pad_variable_length_inputs), for want of `lengths` (keras_attention"
    assert any(padding in line and line.endswith("output summary") for line in lines)
    assert lines[-1].startswith("loaded, and 4 warm-up requests answered")


def test_a_models_largest_version_is_the_one_that_is_served(copy):
    shutil.copytree(copy, copy.parent / "10")
    (copy.parent / ".export-left-over").mkdir()
    assert version_of(copy.parent) == copy.parent / "10"
    assert version_of(copy) == copy


@pytest.mark.parametrize("place", ["missing", "."])
def test_where_there_is_no_model_one_is_expected(tmp_path, place):
    with pytest.raises(ValueError, match="Expected a SavedModel, or a directory of versions"):
        export.check(tmp_path / place)


def test_what_must_be_compiled_is_a_problem(tmp_path):
    import tensorflow as tf

    path = written(tmp_path / "1", tf.function(lambda x: x + 1, jit_compile=True))
    _, problems = export.check(path)
    assert "no function with jit_compile=True" in problems[0]


def test_an_operation_that_a_server_lacks_is_a_problem_that_loading_shows_too(copy):
    from tensorflow.core.protobuf import saved_model_pb2

    meta = read(copy)
    functions = meta.graph_def.library.function
    next(n for f in functions for n in f.node_def if n.op == "MatMul").op = "OwnMatMul"
    whole = saved_model_pb2.SavedModel(meta_graphs=[meta], saved_model_schema_version=1)
    (copy / "saved_model.pb").write_bytes(whole.SerializeToString())
    _, problems = export.check(copy)
    assert problems[0].endswith("Received: ['OwnMatMul']")
    assert "answer in the C++ loader" in problems[1] and "OwnMatMul" in problems[1]


@pytest.mark.parametrize(
    "file",
    ["saved_model.pb", "variables/variables.index", "assets.extra/tf_serving_warmup_requests"],
)
def test_a_file_cut_short_is_a_problem(copy, file, capsys):
    content = (copy / file).read_bytes()
    (copy / file).write_bytes(content[: len(content) * 2 // 3])
    assert main(["check", str(copy)]) == 1
    assert "problem: Expected" in capsys.readouterr().err


def test_each_bit_counts(exported, tmp_path):
    path = shutil.copytree(exported[2], tmp_path / "1")
    files = [file for file in path.rglob("*") if file.is_file()]
    assert len(files) > 5
    for file in files:
        whole = file.read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 4
        file.write_bytes(flipped)
        lines, problems = export.check(path)
        assert lines == [str(path)] and "as it was exported" in problems[0]
        file.write_bytes(whole)
    assert list(digests.problems(path)) == []
    (path / "batching_params.pbtxt").write_text("")
    lines, problems = export.check(path)
    assert problems == [] and "not exported with it: batching_params.pbtxt" in lines
    (path / "saved_model.pb").unlink()
    assert "Expected 'saved_model.pb'" in next(digests.problems(path))


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="sha256sum is not installed")
def test_the_digests_are_of_the_form_that_other_tools_check(exported):
    path = exported[2]
    command = ["sha256sum", "--check", "--quiet", str(digests.FILE)]
    assert subprocess.run(command, cwd=path, check=False).returncode == 0


def test_what_a_client_may_not_expect_is_remarked(tmp_path):
    draws = keras.random.SeedGenerator(0)

    def noisy(x):
        import tensorflow as tf

        return {"noisy": tf.cast(x + keras.random.normal((2,), seed=draws), "bfloat16")}

    lines, problems = export.check(written(tmp_path / "1", noisy))
    assert problems == []
    assert "not for REST, whose JSON has no bfloat16: serve, output noisy" in lines
    assert any(line.startswith("keeps something from one request to the next") for line in lines)


def test_the_command_reports_on_several_and_fails_if_one_does(exported, tmp_path, capsys):
    path = str(exported[2])
    assert main(["check", path]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(path) and "problem" not in said.err
    assert main(["check", path, str(tmp_path / "none"), path]) == 1
    said = capsys.readouterr()
    assert said.out.count("warm-up requests answered") == 2 and "problem: Expected" in said.err
