"""`check` loads no SavedModel that accesses files, unless it is trusted; names, options, time."""

import json
import time

import keras
import pytest

from keras_attention import export
from keras_attention.export.__main__ import main
from keras_attention.export.checks import fresh_process
from keras_attention.export.checks.file_operations import find_file_operations
from keras_attention.export.checks.graph import load_meta_graph
from keras_attention.export.checks.outputs import SelfCheckError
from tests.export.checks.test_trial_requests import edit, write

X = {"x": ((None, 2), "float32")}


def identity(x):
    return {"y": x + 0}


@pytest.fixture
def writing(tmp_path):
    """A SavedModel that writes a file when it is loaded, and the file."""
    import tensorflow as tf

    file = tmp_path / "written"

    class Writer(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self):
            return tf.constant(0)

        def _initialize(self):
            tf.io.write_file(str(file), "data")

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.writer = Writer()

        @tf.function(input_signature=[tf.TensorSpec((None, 2), name="x")])
        def serve(self, x):
            return {"y": x + tf.cast(self.writer.resource_handle, "float32")}

    module = Module()
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"serve": module.serve})
    file.unlink(missing_ok=True)
    return tmp_path / "1", file


def test_a_savedmodel_that_writes_files_is_not_loaded_unless_it_is_trusted(writing, capsys):
    path, file = writing
    lines, problems = export.check(path)
    assert len(problems) == 1 and "WriteFile" in problems[0] and not file.exists()
    assert "serve" in lines and not any(line.startswith("loaded") for line in lines)
    assert main(["check", str(path)]) == 1 and not file.exists()
    assert capsys.readouterr().out.splitlines()[-1] == "NOT OK"
    assert main(["check", str(path), "--trust"]) == 0 and file.exists()
    printed = capsys.readouterr().out
    assert "remark: accesses files or the network: WriteFile" in printed
    assert printed.splitlines()[-1] == "OK"


@pytest.mark.parametrize("name", ["read", "list_files", "print_to_file", "summary"])
def test_a_signature_that_accesses_files_is_not_called(name, tmp_path):
    import tensorflow as tf

    target = tmp_path / "target"

    def read(x):
        return {"y": x + tf.cast(tf.strings.length(tf.io.read_file(str(target))), "float32")}

    def list_files(x):
        return {"y": x + tf.cast(tf.size(tf.io.matching_files(f"{tmp_path}/*")), "float32")}

    def print_to_file(x):
        tf.print(x, output_stream=f"file://{target}")
        return {"y": x + 0}

    def summary(x):
        path = tf.raw_ops.RestoreV2(
            prefix=str(target), tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
        )
        return {"y": x + path[0]}

    functions = {f.__name__: f for f in (read, list_files, print_to_file, summary)}
    lines, problems = export.check(write(tmp_path / "1", functions[name], **X))
    assert len(problems) == 1 and "no operations on files" in problems[0]
    assert not any(line.startswith("loaded") for line in lines) and not target.exists()


def test_a_restore_operation_that_does_more_than_restore_is_found(tmp_path):
    path = write(tmp_path / "1", identity, **X)
    assert export.check(path)[1] == []

    def add(saved_model):
        [meta] = saved_model.meta_graphs
        name = meta.graph_def.node.add(name="name", op="Const")
        meta.graph_def.node.add(name="evil", op="WriteFile", input=["name", "name"])
        del name
        restore = meta.saver_def.restore_op_name
        next(node for node in meta.graph_def.node if node.name == restore).input.append("^evil")

    edit(path, add)
    assert "WriteFile (evil)" in export.check(path)[1][0]


def test_printing_is_a_remark(tmp_path):
    import tensorflow as tf

    def show(x):
        tf.print(x)
        return {"y": x + 0}

    lines, problems = export.check(write(tmp_path / "1", show, **X))
    assert problems == []
    assert any(x.startswith("writes to the server's log") and "PrintV2" in x for x in lines)


def test_a_vocabulary_file_and_weights_need_no_trust(tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\n")
    text = keras.Input((3,), dtype="string", name="text")
    ids = keras.layers.StringLookup(vocabulary=str(tmp_path / "words.txt"))(text)
    model = keras.Model(text, keras.layers.Embedding(4, 2)(ids))
    assert export.check(export.saved_model(model, tmp_path / "m"))[1] == []


def fill_table(filename):
    """Return a lookup in a table that is filled from a file by the signature itself."""
    import tensorflow as tf

    table = tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.string)
    filled = tf.raw_ops.InitializeTableFromTextFileV2(
        table_handle=table, filename=filename, key_index=-1, value_index=-2
    )
    with tf.control_dependencies([filled]):
        keys = tf.constant([0], tf.int64)
        return tf.raw_ops.LookupTableFindV2(table_handle=table, keys=keys, default_value="")


def test_a_signature_that_fills_a_table_from_a_file_is_not_called(tmp_path):
    (tmp_path / "secret").write_text("secret\n")

    def read(x):
        return {"y": x + 0, "line": fill_table(str(tmp_path / "secret"))}

    path = write(tmp_path / "1", read, **X)
    lines, problems = export.check(path)
    assert len(problems) == 1 and "InitializeTableFromTextFileV2" in problems[0]
    assert not any(line.startswith("loaded") for line in lines)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A SavedModel whose initialization fills two tables from the same vocabulary."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("tables")
    (folder / "words.txt").write_text("a\nb\n")
    text = keras.Input((3,), dtype="string", name="text")
    ids = keras.layers.StringLookup(vocabulary=str(folder / "words.txt"))(text)
    kinds = (tf.string, tf.lookup.TextFileIndex.WHOLE_LINE)
    numbers = (tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER)
    words = tf.lookup.TextFileInitializer(str(folder / "words.txt"), *kinds, *numbers)
    table = tf.lookup.StaticHashTable(words, -1)
    x = export.Spec("x", (None,), "string")
    signatures = {"find": (lambda x: {"y": table.lookup(x)}, [x], [table])}
    return export.saved_model(keras.Model(text, ids), folder / "m", signatures)


def rename_asset(graph, meta):
    meta.asset_file_def[0].filename = "../../secret"


def forget_asset(graph, meta):
    del meta.asset_file_def[0]


def rename_a_second_asset(graph, meta):
    second = meta.asset_file_def.add()
    second.CopyFrom(meta.asset_file_def[0])
    second.filename = "../../secret"


def assign_again(graph, meta):
    [handle, *_] = [node for node in graph.node if node.op == "VarHandleOp"]
    graph.node.add(name="evil", op="AssignVariableOp", input=[handle.name, "Const"])


def assign_by_another_handle(graph, meta):
    [handle, *_] = [node for node in graph.node if node.op == "VarHandleOp"]
    other = graph.library.function[0].node_def.add()
    other.CopyFrom(handle)
    other.name = "evil"


def pass_to_a_function(graph, meta):
    [handle, *_] = [node for node in graph.node if node.op == "VarHandleOp"]
    graph.node.add(name="evil", op="StatefulPartitionedCall", input=[handle.name])


def pass_a_constant(graph, meta):
    read = [node.name for node in graph.node if node.op == "ReadVariableOp"]
    for node in graph.node:
        if node.op == "StatefulPartitionedCall" and node.input[0] in read:
            node.input[0] = "Const"


def use_a_loop(graph, meta):
    read = [node.name for node in graph.node if node.op == "ReadVariableOp"]
    for node in graph.node:
        if node.op == "StatefulPartitionedCall" and node.input[0] in read:
            node.op = "While"


@pytest.mark.parametrize(
    "change",
    [
        rename_asset,
        rename_a_second_asset,
        forget_asset,
        assign_again,
        assign_by_another_handle,
        pass_to_a_function,
        pass_a_constant,
        use_a_loop,
    ],
)
def test_a_table_that_may_be_filled_from_another_file_than_an_asset_is_found(tables, change):
    meta = load_meta_graph(tables)
    assert find_file_operations(meta) == []
    change(meta.graph_def, meta)
    (found,) = find_file_operations(meta)
    assert found.startswith("InitializeTableFromTextFileV2")


def test_the_asset_may_pass_through_identities_and_a_constant(tables):
    meta = load_meta_graph(tables)
    for node in meta.graph_def.node:
        if node.op == "ReadVariableOp" and "^" in "".join(node.input):
            value = next(
                other.input[1]
                for other in meta.graph_def.node
                if other.op == "AssignVariableOp" and other.input[0] == node.input[0]
            )
            node.CopyFrom(type(node)(name=node.name, op="Identity", input=[value]))
        elif node.op == "Placeholder" and node.name.startswith("asset_path"):
            node.op = "Const"  # as older versions of TensorFlow write it
    assert find_file_operations(meta) == []


@pytest.fixture
def own_process(monkeypatch):
    """Undo the shared loader: the tests are about the process of `try_calls`."""
    from keras_attention.export.checks import outputs, trial_requests

    monkeypatch.undo()
    monkeypatch.setattr(trial_requests, "try_calls", ORIGINAL[0])
    monkeypatch.setattr(outputs, "run_calls", ORIGINAL[1])
    monkeypatch.setattr(fresh_process, "try_calls", ORIGINAL[0])
    monkeypatch.setattr(fresh_process, "run_calls", ORIGINAL[1])


ORIGINAL = (fresh_process.try_calls, fresh_process.run_calls)


def endless(x):
    import tensorflow as tf

    return {"y": tf.while_loop(lambda x: tf.reduce_sum(x) > -1e9, lambda x: (x + 1,), (x,))[0]}


def test_a_request_without_end_is_stopped(own_process, tmp_path, capsys):
    path = write(tmp_path / "1", endless, **X)
    started = time.monotonic()
    assert main(["check", str(path), "--timeout", "4"]) == 1
    assert time.monotonic() - started < 15
    assert "within `timeout`=4 seconds" in capsys.readouterr().err
    with pytest.raises(ValueError, match="`timeout` to be a finite number above 0"):
        export.check(path, timeout=0)


def test_the_timeout_of_an_export_stops_its_check(own_process, tmp_path):
    x = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")
    with pytest.raises(SelfCheckError, match="within `timeout`=0.01 seconds"):
        export.saved_model(None, tmp_path / "m", {"serving_default": (identity, [x])}, timeout=0.01)
    assert not (tmp_path / "m").exists()


def test_names_that_look_like_options_or_control_a_terminal(
    own_process, tmp_path, capsys, monkeypatch
):
    """A signature `-h`, a directory `-m`, and escape sequences in names."""
    monkeypatch.chdir(tmp_path)
    x = keras.Input((2,), name="x")
    model = keras.Model(x, keras.layers.Rescaling(2.0)(x))
    path = export.saved_model(model, "-m")
    assert (tmp_path / "-m" / "1").is_dir()

    def rename(saved_model):
        signatures = saved_model.meta_graphs[0].signature_def
        for name in ("-h", "\x1b[2J\u202e"):
            signatures[name].CopyFrom(signatures["serving_default"])

    edit(path, rename)
    (path / "assets.extra" / "SHA256SUMS").unlink()
    assert main(["check", "--", "-m"]) == 0
    printed = capsys.readouterr().out
    assert "answered a made-up request, because it has no warm-up requests: -h" in printed
    assert "\x1b" not in printed and r"\x1b[2J\u202e" in printed


def test_the_report_as_json(tmp_path, capsys):
    path = write(tmp_path / "1", identity, **X)
    assert main(["check", "--json", str(path), str(tmp_path / "none")]) == 1
    document = json.loads(capsys.readouterr().out)
    first, second = document["saved_models"]
    assert document["ok"] is False and first["ok"] is True and second["ok"] is False
    assert first["signatures"]["identity"] == {
        "inputs": {"x": {"dtype": "float32", "shape": [None, 2]}},
        "outputs": {"y": {"dtype": "float32", "shape": [None, 2]}},
    }
    assert first["path"] == str(path) and first["summary"][0].startswith("loaded")
    assert second["problems"][0].startswith("Expected `path` to be a SavedModel")
