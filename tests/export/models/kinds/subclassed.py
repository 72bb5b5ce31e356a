"""Subclassed models, which need a signature, and what functions of signatures return."""

import keras
import numpy as np

from keras_attention.export import Spec
from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("subclassed models and own signatures")
X = Spec("x", (None, "length", 3), "float32")


class Scaled(keras.Model):
    """A dense layer whose outputs are scaled."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return 3 * self.dense(x)


def serve(function, *specs, model=None):
    """Return a case whose default signature is the function, by default of `x`."""
    return Case(model, {"serving_default": (function, specs or [X])})


@tries.right(quick=True)
def a_function():
    model = Scaled()
    model(np.ones((1, 2, 3)))
    return serve(lambda x: {"y": model(x), "total": keras.ops.sum(x, axis=1)}, model=model)


@tries.right()
def the_model_itself():
    model = Scaled()
    model(np.ones((1, 2, 3)))
    return serve(model, model=model)


@tries.right()
def a_model_that_was_never_called():
    model = Scaled()
    return serve(lambda x: model(x), model=model)


@tries.right()
def nested_arguments():
    class Pair(keras.Model):
        def call(self, inputs):
            return inputs["pair"][0] - inputs["pair"][1]

    model, other = Pair(), Spec("z", (None, "length", 3), "float32")
    return serve(lambda x, z: model({"pair": (x, z)}), X, other, model=model)


@tries.refused("signatures['serving_default']", "subclassed model", quick=True)
def without_a_signature():
    model = Scaled()
    model(np.ones((1, 2, 3)))
    return Case(model)


@tries.right()
def outputs_that_are_none():
    return serve(lambda x: {"y": 2 * x, "state": None})


@tries.refused("signature 'serving_default'", "Received: list", quick=True)
def outputs_without_names():
    return serve(lambda x: [x, 2 * x])


@tries.refused("signature 'serving_default'", "dict of tensors by name")
def outputs_in_a_nested_dict():
    return serve(lambda x: {"a": {"b": x}})


@tries.refused("signature 'serving_default'", "RaggedTensor")
def a_ragged_output():
    import tensorflow as tf

    return serve(lambda x: {"y": tf.RaggedTensor.from_tensor(x, ragged_rank=1)})


@tries.refused("signature 'serving_default'", "SparseTensor")
def a_sparse_output():
    import tensorflow as tf

    return serve(lambda x: {"y": tf.sparse.from_dense(x)})


@tries.refused("signature 'serving_default'", "['x', 'z']", "keyword arguments")
def a_function_of_other_arguments():
    return serve(lambda x: x, X, Spec("z", (None,), "int32"))


@tries.right()
def several_signatures_and_kinds_of_specs():
    import tensorflow as tf

    dense = layers.Dense(2)
    dense.build((None, 3))
    signatures = {
        "serving_default": (
            dense,
            [keras.InputSpec(shape=(None, 3), dtype="float32", name="inputs")],
        ),
        "rows": (lambda x: dense(x)[0], [tf.TensorSpec((4, 3), "float32", "x")]),
        "none": (lambda x: x + dense.bias, [keras.KerasTensor((None, 2), "float32", name="x")]),
    }
    expected = {"serving_default": lambda inputs: dense(inputs)}
    return Case(None, signatures, expected=expected)
