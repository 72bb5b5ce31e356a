"""What a server would load and then fail at is refused, and leaves nothing behind."""

import keras
import pytest

from keras_attention import export
from keras_attention.export.checks import graph as graph_check

X = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")


def assert_refused(function, directory, match):
    with pytest.raises(ValueError, match=match):
        export.saved_model(None, directory, signatures={"serving_default": (function, [X])})
    assert list(directory.iterdir()) == []


def test_a_signature_that_must_be_compiled_is_refused(tmp_path):
    import tensorflow as tf

    compiled = tf.function(lambda x: x + 1, jit_compile=True)
    assert_refused(compiled, tmp_path, "no function with jit_compile=True")


def test_a_layer_that_compiles_inside_a_loop_is_refused(tmp_path):
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


def graph_of(called, uncalled=None):
    """A MetaGraphDef with a signature that calls one function, beside another that none calls."""
    import tensorflow as tf

    made = [tf.function(each) if each else None for each in (called, uncalled)]
    concrete = [each.get_concrete_function(tf.TensorSpec((2,))) for each in made if each]

    @tf.function
    def signature(x):
        return [each(x) for each in made if each]

    whole = signature.get_concrete_function(tf.TensorSpec((2,))).graph.as_graph_def()
    meta = tf.compat.v1.MetaGraphDef(graph_def=whole)
    calls = [node.name for node in whole.node if "PartitionedCall" in node.op]
    assert len(calls) == len(concrete)
    # What calls the output is a node at the top, as in a graph of TensorFlow 1.
    meta.graph_def.node.add(name="end", op="Identity", input=[f"{calls[0]}:0", "^x"])
    meta.signature_def["serve"].outputs["y"].name = "end:0"
    return meta


def compiled(x):
    import tensorflow as tf

    return tf.function(lambda x: x + 1, jit_compile=True)(x)


def python(x):
    import tensorflow as tf

    return tf.numpy_function(abs, [x], tf.float32)


@pytest.mark.parametrize("function", [compiled, python])
def test_only_what_a_signature_reaches_is_a_problem(function):
    assert len(list(graph_check.problems(graph_of(function, lambda x: x)))) == 1
    assert list(graph_check.problems(graph_of(lambda x: x, function))) == []


def test_an_operation_that_a_server_lacks_is_one_in_a_function_that_is_called_or_at_the_top():
    for called, problems in [(0, 1), (1, 0)]:
        meta = graph_of(*[lambda x: x * 2, lambda x: x + 2][:: 1 - 2 * called])
        for function in meta.graph_def.library.function:
            for node in function.node_def:
                node.op = node.op.replace("Mul", "Own")
        assert len(list(graph_check.problems(meta))) == problems
    meta.graph_def.node.add(name="other", op="Own")
    assert len(list(graph_check.problems(meta))) == 1


def test_what_draws_is_remarked_and_what_keeps_its_state_too():
    import tensorflow as tf

    generator = tf.random.Generator.from_seed(3)
    for draw, remark in [
        (lambda x: x + tf.random.uniform((2,)), r"it draws, ['RandomUniform']"),
        (lambda x: tf.random.shuffle(x, seed=3), r"it draws, ['RandomShuffle']"),
        (lambda x: x + generator.normal((2,)), "keeps something from one request to the next"),
        (lambda x: x + tf.random.stateless_uniform((2,), (1, 2)), None),
    ]:
        remarks = list(graph_check.remarks(graph_of(draw)))
        assert [remark in each for each in remarks] == [True] * (remark is not None)
