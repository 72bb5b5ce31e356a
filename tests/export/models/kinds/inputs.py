"""Inputs that are sparse, ragged or optional, and names of inputs."""

import functools

import keras
import numpy as np

from keras_attention.export import Spec
from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("sparse, ragged and optional inputs, names")


def total(**kwargs):
    x = keras.Input((None, 2), name="x", **kwargs)
    return keras.Model(x, keras.ops.sum(x, axis=1))


@tries.refused("sparse input 'x'", "serving_default", "tf.sparse.from_dense", quick=True)
def a_sparse_input():
    x = keras.Input((5,), sparse=True, name="x")
    return Case(keras.Model(x, layers.Dense(2)(x)))


@tries.right()
def a_sparse_input_as_advised():
    import tensorflow as tf

    x = keras.Input((5,), sparse=True, name="x")
    model = keras.Model(x, layers.Dense(2)(x))
    signature = (lambda x: model(tf.sparse.from_dense(x)), [Spec("x", (None, 5), "float32")])
    return Case(model, {"serving_default": signature})


@tries.refused("ragged input 'x'", "serving_default", "from_tensor", quick=True)
def a_ragged_input():
    return Case(total(ragged=True))


@tries.right()
def a_ragged_input_as_advised():
    import tensorflow as tf

    class Mean(layers.Layer):
        def call(self, x):
            return tf.reduce_mean(x, axis=1)

        def compute_output_spec(self, x):
            return keras.KerasTensor((None, 2), "float32")

    x = keras.Input((None, 2), ragged=True, name="x")
    model = keras.Model(x, Mean()(x))
    specs = [Spec("x", (None, "length", 2), "float32"), Spec("lengths", (None,), "int32")]
    signature = (lambda x, lengths: model(tf.RaggedTensor.from_tensor(x, lengths)), specs)
    request = {"x": np.float32([[[1, 1], [3, 5], [9, 9]]]), "lengths": np.int32([2])}
    case = Case(model, {"serving_default": signature}, requests=[("serving_default", request)])
    case.expected = {"serving_default": lambda x, lengths: np.float32([[2, 3]])}
    return case


@tries.right()
def an_optional_input():
    x, y = keras.Input((3,), name="x"), keras.Input((3,), optional=True, name="y")
    add = layers.Lambda(lambda pair: pair[0] if pair[1] is None else pair[0] + 2 * pair[1])
    return Case(keras.Model([x, y], add([x, y])))


@tries.warned("generated names", "keras.Input(..., name=", quick=True)
def unnamed_inputs():
    x, y = keras.Input((3,)), keras.Input((3,))
    return Case(keras.Model([x, y], x - y))


def name_input(name):
    spec = Spec(name, (None, 2), "float32")
    return Case(None, {"serving_default": (lambda **inputs: 2 * inputs[name], [spec])})


def name_keras_input(name):
    x = keras.Input((2,), name=name)
    return Case(keras.Model(x, 2 * x))


for one in ("words.1-a_b", "2", "training"):
    tries.add(f"an input {one!r}", functools.partial(name_input, one), one == "2")
for one, advice in (("a b", "a_b"), ("ü", "words"), ("x:0", "x_0"), ("_x", "x"), ("self", "words")):
    tries.refuse(
        f"an input {one!r}",
        functools.partial(name_keras_input, one),
        (f"input {one!r} of signature 'serving_default'", f"name={advice!r}"),
        one in ("a b", "self"),
    )


@tries.refused("different input names", "'x', 'x'")
def the_same_name_twice():
    spec = Spec("x", (None, 2), "float32")
    return Case(None, {"serving_default": (lambda x: x, [spec, spec])})


def name_output(name):
    x = keras.Input((2,), name="x")
    return Case(keras.Model(x, {name: 2 * x}))


for one in ("a/b", "ü", "x:0", "a b"):
    tries.add(f"an output {one!r}", functools.partial(name_output, one), one == "a/b")
tries.refuse("an output ''", functools.partial(name_output, ""), ("signature 'serving_default'",))
