"""`check`: the requests that it sends, pads and joins, and what it says about the answers."""

import keras
import numpy as np
import pytest

from keras_attention import export
from keras_attention.export.checks.graph import load_meta_graph


def write(path, *functions, **specs):
    """Write the functions, each a signature under its name, without any check or warm-up."""
    import tensorflow as tf

    specs = [tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in specs.items()]
    archive = keras.export.ExportArchive()
    for function in functions:
        archive.add_endpoint(function.__name__, function, specs)
    archive.write_out(str(path), verbose=False)
    return path


def edit(path, change):
    """Change the SavedModel's first graph in place."""
    from tensorflow.core.protobuf import saved_model_pb2

    file = path / "saved_model.pb"
    saved_model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(saved_model)
    file.write_bytes(saved_model.SerializeToString())


def words(text):
    import tensorflow as tf

    return {"words": tf.strings.split(text).to_tensor("")}


def test_rows_whose_width_depends_on_other_rows_are_remarked(tmp_path):
    lines, problems = export.check(write(tmp_path / "1", words, text=((None,), "string")))
    assert problems == []
    assert any("the size of a row depends on the other rows: words, output" in x for x in lines)
    assert "answered a made-up request, because it has no warm-up requests: words" in lines


def centered(x):
    return {"y": x - keras.ops.mean(x, axis=0), "total": keras.ops.sum(x)}


def test_rows_whose_values_depend_on_other_rows_are_remarked(tmp_path):
    lines, _ = export.check(write(tmp_path / "1", centered, x=((None, 2), "float32")))
    without = "without a batch axis of any size: centered, output total"
    assert any(line.endswith(without) for line in lines)

    def values(x):
        return {"y": centered(x)["y"], "double": x * 2}

    lines, _ = export.check(write(tmp_path / "2", values, x=((None, 2), "float32")))
    remarks = [line for line in lines if "--enable_batching" in line]
    change = "the values of a row depend on the other rows"
    # Keras serves the first function as `serving_default` too.
    assert [remark.partition("because ")[2] for remark in remarks] == [
        f"{change}: serving_default, output y",
        f"{change}: values, output y",
    ]


def repeated(x):
    return {"y": keras.ops.concatenate([x, x])}


def only_alone(x):
    import tensorflow as tf

    tf.debugging.assert_equal(tf.shape(x)[0], 1, "one row at a time")
    return {"y": x + 1}


def test_joined_requests_that_lose_rows_or_are_refused_are_remarked(tmp_path):
    path = write(tmp_path / "1", repeated, only_alone, x=((None, 2), "float32"))
    lines, problems = export.check(path)
    assert problems == []
    assert any("does not return one row for each row of the request: repeated" in x for x in lines)
    refused = "but answers each of them alone: only_alone: "
    assert any(refused in line and "one row at a time" in line for line in lines)


def test_warm_up_requests_are_joined_with_each_other(tmp_path):
    """Each request has one row, so only a batch of several requests shows the fault."""

    def serve(x):
        return {"y": x - keras.ops.mean(x, axis=0)}

    path = export.saved_model(
        None,
        tmp_path,
        {"serving_default": (serve, [keras.InputSpec(shape=(None, 2), dtype="float32", name="x")])},
        example=[{"x": np.ones((1, 2))}, {"x": np.full((1, 2), 3.0)}],
    )
    lines, problems = export.check(path)
    assert problems == [] and not any("made-up" in line for line in lines)
    assert any(line.endswith("rows: serving_default, output y") for line in lines)


def test_a_tensor_that_is_not_in_the_graph_is_a_problem(tmp_path):
    path = write(tmp_path / "1", repeated, x=((None, 2), "float32"))

    def rename(saved_model):
        outputs = saved_model.meta_graphs[0].signature_def["repeated"].outputs
        outputs["y"].name = "elsewhere:0"

    edit(path, rename)
    _, problems = export.check(path)
    assert len(problems) == 1 and problems[0].endswith("Received: output 'y': 'elsewhere:0'")


def test_made_up_values_that_do_not_fit_are_a_remark_and_other_failures_a_problem(tmp_path):
    import tensorflow as tf

    def decode(image):
        return {"y": tf.map_fn(tf.io.decode_png, image, fn_output_signature=tf.uint8)}

    lines, problems = export.check(write(tmp_path / "1", decode, image=((None,), "string")))
    assert problems == []
    assert any(line.startswith("not tried: no warm-up requests, and those") for line in lines)

    variable = tf.Variable([1.0, 2.0])

    def multiply(x):
        return {"y": x * variable}

    path = write(tmp_path / "2", multiply, x=((None, 2), "float32"))

    def skip_restoring(saved_model):
        saved_model.meta_graphs[0].ClearField("saver_def")

    edit(path, skip_restoring)
    _, problems = export.check(path)
    assert [problem.partition(" (")[0] for problem in problems] == [
        "Expected an answer to a made-up request"
    ] * 2  # Keras serves the function as `serving_default` too.


def test_answers_that_depend_on_earlier_requests_are_not_compared(tmp_path):
    import tensorflow as tf

    counter = tf.Variable(0.0)

    def count(x):
        return {"y": x + counter.assign_add(1.0)}

    def read(x):
        return {"y": x + counter}

    lines, problems = export.check(write(tmp_path / "1", count, read, x=((None, None), "float32")))
    assert problems == []
    assert any(line.startswith("keeps state between requests") for line in lines)
    assert not any("depend on" in line or "pads" in line for line in lines)


def test_a_mutable_table_keeps_state_and_the_initialization_does_not(tmp_path):
    import tensorflow as tf

    table = tf.lookup.experimental.MutableHashTable("string", "int64", 0)

    def remember(text):
        table.insert(text, tf.cast(tf.strings.length(text), "int64"))
        return {"y": table.lookup(text)}

    module = tf.Module()
    module.table = table
    module.remember = tf.function(
        remember, input_signature=[tf.TensorSpec((None,), "string", name="text")]
    )
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"remember": module.remember})
    lines, _ = export.check(tmp_path / "1")
    assert any(x.startswith("keeps state") and "LookupTableInsertV2" in x for x in lines)

    (tmp_path / "words.txt").write_text("a\nb\n")
    text = keras.Input((), dtype="string", name="text")
    lookup = keras.layers.StringLookup(vocabulary=str(tmp_path / "words.txt"))
    path = export.saved_model(keras.Model(text, lookup(text)), tmp_path / "words")
    assert not any("keeps state" in line for line in export.check(path)[0])


def test_the_graph_with_the_tag_serve_is_read(tmp_path):
    path = write(tmp_path / "1", repeated, x=((None, 2), "float32"))

    def add_training_graph(saved_model):
        [serve] = saved_model.meta_graphs
        other = type(saved_model)().meta_graphs.add()
        other.meta_info_def.tags.append("train")
        del saved_model.meta_graphs[:]
        saved_model.meta_graphs.extend([other, serve])

    edit(path, add_training_graph)
    assert "repeated" in load_meta_graph(path).signature_def
    assert export.check(path)[1] == []

    def remove_serve(saved_model):
        del saved_model.meta_graphs[1]

    edit(path, remove_serve)
    with pytest.raises(ValueError, match=r"tag 'serve' alone.*\[\['train'\]\]"):
        export.check(path)
