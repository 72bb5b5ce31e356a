"""A graph that a server could load but not run is refused, and no files remain."""

import keras
import pytest

from keras_attention import export
from keras_attention.export.checks.graph import find_graph_problems, find_graph_remarks

X = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")


def assert_refused(function, directory, match):
    with pytest.raises(ValueError, match=match):
        export.saved_model(None, directory, signatures={"serving_default": (function, [X])})
    assert list(directory.iterdir()) == []


def test_a_signature_that_must_be_compiled_is_refused(tmp_path):
    import tensorflow as tf

    compiled = tf.function(lambda x: x + 1, jit_compile=True)
    assert_refused(compiled, tmp_path, "no function with jit_compile=True")


def test_a_compiled_layer_inside_a_loop_is_refused(tmp_path):
    import tensorflow as tf

    class Compiled(keras.layers.Layer):
        def call(self, x):
            return tf.function(lambda x: x + 1, jit_compile=True)(x)

    layer = Compiled()

    def loop(x):
        return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, layer(x)), (0, x))[1]

    assert_refused(loop, tmp_path, "no function with jit_compile=True")


@pytest.mark.parametrize("kind", ["py_function", "numpy_function"])
def test_python_in_the_graph_is_refused(kind, tmp_path):
    import tensorflow as tf

    call = getattr(tf, kind)
    assert_refused(
        lambda x: call(lambda x: x, [x], tf.float32), tmp_path, "no tf.py_function.*PyFunc"
    )


def test_python_in_a_branch_that_is_never_taken_is_refused(tmp_path):
    import tensorflow as tf

    def branch(x):
        return tf.cond(
            tf.reduce_any(x > 9e9), lambda: tf.numpy_function(abs, [x], tf.float32), lambda: x
        )

    assert_refused(branch, tmp_path, "no tf.py_function.*PyFunc")


def make_graph(called, uncalled=None):
    """Return a MetaGraphDef whose signature calls one function and leaves another uncalled."""
    import tensorflow as tf

    functions = [tf.function(function) for function in (called, uncalled) if function]
    concrete = [function.get_concrete_function(tf.TensorSpec((2,))) for function in functions]

    @tf.function
    def signature(x):
        return [function(x) for function in functions]

    graph = signature.get_concrete_function(tf.TensorSpec((2,))).graph.as_graph_def()
    meta = tf.compat.v1.MetaGraphDef(graph_def=graph)
    calls = [node.name for node in graph.node if "PartitionedCall" in node.op]
    assert len(calls) == len(concrete)
    # The output is a top-level node, as in a graph of TensorFlow 1.
    meta.graph_def.node.add(name="end", op="Identity", input=[f"{calls[0]}:0", "^x"])
    meta.signature_def["serve"].outputs["y"].name = "end:0"
    return meta


def call_compiled(x):
    import tensorflow as tf

    return tf.function(lambda x: x + 1, jit_compile=True)(x)


def call_python(x):
    import tensorflow as tf

    return tf.numpy_function(abs, [x], tf.float32)


@pytest.mark.parametrize("function", [call_compiled, call_python])
def test_only_functions_that_a_signature_calls_are_reported(function):
    assert len(list(find_graph_problems(make_graph(function, lambda x: x)))) == 1
    assert list(find_graph_problems(make_graph(lambda x: x, function))) == []


def test_an_unknown_operation_is_reported_as_a_problem_at_the_top_level_and_in_a_called_function():
    def multiply(x):
        return x * 2

    def add(x):
        return x + 2

    for called, uncalled, problems in [(multiply, add, 1), (add, multiply, 0)]:
        meta = make_graph(called, uncalled)
        for function in meta.graph_def.library.function:
            for node in function.node_def:
                node.op = node.op.replace("Mul", "Own")
        assert len(list(find_graph_problems(meta))) == problems
    meta.graph_def.node.add(name="other", op="Own")
    assert len(list(find_graph_problems(meta))) == 1


def test_unseeded_sampling_and_state_between_requests_are_reported_as_remarks():
    import tensorflow as tf

    generator = tf.random.Generator.from_seed(3)
    for sample, remark in [
        (lambda x: x + tf.random.uniform((2,)), r"it samples with ['RandomUniform']"),
        (lambda x: tf.random.shuffle(x, seed=3), r"it samples with ['RandomShuffle']"),
        (lambda x: x + generator.normal((2,)), "keeps state between requests"),
        (lambda x: x + tf.random.stateless_uniform((2,), (1, 2)), None),
    ]:
        remarks = list(find_graph_remarks(make_graph(sample)))
        assert [remark in line for line in remarks] == [True] * (remark is not None)
