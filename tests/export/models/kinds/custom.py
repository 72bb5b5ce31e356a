"""Custom layers and Lambda."""

import keras
import numpy as np

from tests.export.models.kinds.randomness import Call
from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("custom layers and Lambda")


def apply(layer, shape=(None, 4)):
    x = keras.Input(shape, name="x")
    return Case(keras.Model(x, layer(x)))


@tries.right(quick=True)
def an_unregistered_layer():
    return apply(Call(lambda x: 2 * x - 1))


@tries.right(quick=True)
def lambda_():
    return apply(layers.Lambda(lambda x: x[:, ::-1] ** 2))


@tries.right()
def a_layer_without_a_name():
    class Scale(layers.Layer):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def call(self, x):
            return self.factor * x

    layer = Scale(3.0)
    layer.factor = 5.0
    return apply(layer)


@tries.right()
def a_layer_that_returns_a_dict():
    class Statistics(layers.Layer):
        def call(self, x):
            return {"mean": keras.ops.mean(x, axis=1), "max": keras.ops.max(x, axis=1)}

    return apply(Statistics())


@tries.right()
def a_layer_with_an_array():
    table = np.random.default_rng(0).random((4, 3), "float32")
    return apply(Call(lambda x: keras.ops.matmul(x, table)))


@tries.right()
def a_layer_in_a_loop():
    return apply(Call(lambda x: keras.ops.fori_loop(0, 3, lambda _, y: 0.5 * y + x, x)))
