"""Which outputs of a graph are computed from float16 or bfloat16 numbers."""

import gc
import weakref

import keras
import pytest

from keras_attention.export.checks import half_precision
from keras_attention.export.checks.half_precision import find_half_precision_outputs

ops = keras.ops


def round_to_half(x, dtype="bfloat16"):
    return ops.cast(ops.cast(x, dtype), "float32")


def write_graph(function, directory):
    """Write a function of one tensor as a SavedModel and return its graph."""
    import tensorflow as tf

    from keras_attention.export.checks.graph import load_meta_graph

    module = tf.Module()
    module.half = tf.Variable(tf.ones(2, "float16"))
    module.full = tf.Variable(tf.ones(2))
    spec = tf.TensorSpec([None, 2], "float32", name="x")
    module.serve = tf.function(lambda x: function(module, x), input_signature=[spec])
    tf.saved_model.save(module, str(directory), signatures={"serve": module.serve})
    return load_meta_graph(directory)


def use_inner_function(module, x):
    import tensorflow as tf

    @tf.function
    def split(x, y):
        return y + 1, x * 2, round_to_half(x)

    plus, twice, half = split(x, round_to_half(x))
    return {"half_argument": plus, "full": twice, "half": half}


def use_control_flow(module, x):
    import tensorflow as tf

    steps = tf.shape(x)[0]
    half = tf.while_loop(lambda i, y: i < steps, lambda i, y: (i + 1, round_to_half(y)), [0, x])[1]
    full = tf.while_loop(lambda i, y: i < steps, lambda i, y: (i + 1, y + 1), [0, x])[1]
    chosen = tf.cond(steps > 2, lambda: round_to_half(x, "float16"), lambda: x)
    return {"half_loop": half, "full": full, "half_branch": chosen}


def use_variables(module, x):
    return {"full": x + module.full, "half": x + ops.cast(module.half, "float32")}


def use_a_check(module, x):
    import tensorflow as tf

    check = tf.raw_ops.Assert(condition=tf.reduce_all(round_to_half(x) < 9), data=["x"])
    with tf.control_dependencies([check]):
        return {"full": tf.identity(x)}


@pytest.mark.parametrize(
    "function", [use_inner_function, use_control_flow, use_variables, use_a_check]
)
def test_only_outputs_that_depend_on_half_precision_are_listed(function, tmp_path):
    meta = write_graph(function, tmp_path)
    found = find_half_precision_outputs(meta)
    names = [*meta.signature_def["serve"].outputs]
    assert found == {("serve", name) for name in names if name.startswith("half")}


def test_a_searched_graph_is_released(tmp_path, monkeypatch):
    graphs = []

    class Graph(half_precision._Graph):
        def __init__(self, graph_def):
            super().__init__(graph_def)
            graphs.append(weakref.ref(self))

    monkeypatch.setattr(half_precision, "_Graph", Graph)
    assert find_half_precision_outputs(write_graph(use_inner_function, tmp_path))
    gc.collect()
    assert [graph() for graph in graphs] == [None]
