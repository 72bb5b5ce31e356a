"""State that one request would leave to the next."""

import keras
import numpy as np

from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("state between requests")
CHANGES = "requests change variables"
X = np.float32([[1, 2, -3, 4], [0, 2, 5, 5]])


@tries.warned(CHANGES, "serving_default", "stateful=True in the layers ['memory']", quick=True)
def a_stateful_lstm():
    x = keras.Input(batch_shape=(2, 3, 4), name="x")
    model = keras.Model(x, layers.LSTM(3, stateful=True, name="memory")(x))
    request = {"x": np.stack([X, X + 1, -X], axis=1)}
    return Case(model, requests=[("serving_default", request)])


@tries.warned(CHANGES, "seed_generator_state", "with_seed")
def a_layer_that_draws_with_a_seed_generator():
    class Noise(layers.Layer):
        def __init__(self):
            super().__init__(name="noise")
            self.generator = keras.random.SeedGenerator(1)

        def call(self, x):
            return x + keras.random.normal(keras.ops.shape(x), seed=self.generator)

    x = keras.Input((4,), name="x")
    model = keras.Model(x, Noise()(x))
    return Case(model, requests=[("serving_default", {"x": X})])


@tries.warned(CHANGES, "counter")
def a_counter():
    class Counter(layers.Layer):
        def build(self, shape):
            self.count = self.add_weight(shape=(), name="counter", initializer="zeros")

        def call(self, x):
            self.count.assign_add(1.0)
            return x * self.count

    x = keras.Input((4,), name="x")
    model = keras.Model(x, Counter()(x))
    return Case(model, requests=[("serving_default", {"x": X})])


@tries.warned(CHANGES, "moving_mean", "moving_variance", quick=True)
def batch_normalization_in_training_mode():
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.BatchNormalization()(x))
    signature = (lambda x: {"y": model(x, training=True)}, model.inputs, [model])
    return Case(model, {"sampled": signature}, requests=[("sampled", {"x": X})])


@tries.warned("a lookup table")
def a_table_that_grows():
    import tensorflow as tf

    class Remember(layers.Layer):
        def __init__(self):
            super().__init__()
            self.table = tf.lookup.experimental.MutableHashTable("int64", "int64", -1)

        def call(self, x):
            known = self.table.lookup(x)
            with tf.control_dependencies([self.table.insert(x, x)]):
                return tf.identity(known)

        def compute_output_spec(self, x):
            return keras.KerasTensor(x.shape, x.dtype)

    x = keras.Input((3,), dtype="int64", name="x")
    model = keras.Model(x, Remember()(x))
    request = {"x": np.array([[5, 6, 7]])}
    return Case(model, requests=[("serving_default", request)])
