"""Sequential and Functional models: their inputs and outputs."""

import keras
import numpy as np

from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("Sequential and Functional models")


@tries.right(quick=True)
def sequential():
    return Case(keras.Sequential([keras.Input((4,), name="x"), layers.Dense(3)]))


@tries.right()
def sequential_of_models():
    inner = keras.Sequential([layers.Dense(5, "relu"), layers.Dense(3)])
    return Case(keras.Sequential([keras.Input((None, 4), name="x"), inner, layers.Softmax()]))


@tries.warned("pass keras.Input(..., name=", "generated names")
def sequential_with_an_unnamed_input():
    return Case(keras.Sequential([keras.Input((4,)), layers.Dense(3)]))


@tries.warned("pass keras.Input(..., name=", "generated names")
def sequential_built_by_fit():
    model = keras.Sequential([layers.Dense(3)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 3)), verbose=0)
    return Case(model)


@tries.refused("built Sequential model", "serving_default", quick=True)
def sequential_that_is_not_built():
    return Case(keras.Sequential([layers.Dense(3)]))


@tries.right(quick=True)
def list_of_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    return Case(keras.Model([b, a], layers.Subtract()([a, b])))


@tries.right()
def dict_of_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((None, 3), name="b")
    return Case(keras.Model({"b": b, "a": a}, layers.Subtract()([a, keras.ops.max(b, axis=1)])))


@tries.right(quick=True)
def nested_inputs():
    a, b, c = (keras.Input((3,), name=name) for name in "abc")
    model = keras.Model({"pair": [a, b], "other": c}, a - 2 * b + 3 * c)
    expected = {"serving_default": lambda a, b, c: model({"pair": [a, b], "other": c})}
    return Case(model, expected=expected)


@tries.right(quick=True)
def twelve_outputs():
    x = keras.Input((3,), name="x")
    return Case(keras.Model(x, [layers.Dense(width)(x) for width in range(1, 13)]))


@tries.right()
def list_of_one_output():
    x = keras.Input((3,), name="x")
    return Case(keras.Model([x], [layers.Dense(2)(x)]))


@tries.right()
def dict_of_outputs():
    x = keras.Input((3,), name="x")
    return Case(keras.Model(x, {"large": 1e4 * x, "small": 1e-6 * layers.Dense(2)(x)}))


@tries.refused("signature 'serving_default'", "dict of tensors by name", quick=True)
def nested_outputs():
    x = keras.Input((3,), name="x")
    return Case(keras.Model(x, {"pair": [x, 2 * x], "other": -x}))


@tries.right()
def an_input_as_output():
    x = keras.Input((None, 3), name="x")
    return Case(keras.Model(x, x))


@tries.right()
def a_scalar_output():
    x = keras.Input((3,), name="x")
    return Case(keras.Model(x, keras.ops.sum(layers.Dense(2)(x))))


@tries.right()
def a_fixed_batch():
    x = keras.Input(batch_shape=(2, 3), name="x")
    return Case(keras.Model(x, layers.Dense(2)(x)))


@tries.right()
def a_subclass_of_functional():
    class Doubled(keras.Model):
        def call(self, inputs, training=None, mask=None):
            return 2 * super().call(inputs, training=training, mask=mask)

    x = keras.Input((3,), name="x")
    return Case(Doubled(x, layers.Dense(2)(x)))


@tries.right()
def a_layer_called_twice():
    x, dense = keras.Input((3,), name="x"), layers.Dense(3)
    return Case(keras.Model(x, dense(keras.ops.relu(dense(x)))))
