"""Random numbers: fixed, seeded by TensorFlow, or impossible to reproduce."""

import keras

from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("randomness")


class Call(layers.Layer):
    """A layer that calls a function."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, x):
        return self.function(x)


def apply(function, shape=(4,)):
    x = keras.Input(shape, name="x")
    return Case(keras.Model(x, Call(function, name="noisy")(x)))


@tries.right(quick=True)
def dropout_called_with_training():
    x = keras.Input((4,), name="x")
    return Case(keras.Model(x, layers.Dropout(0.5)(x, training=True)))


@tries.refused("signature 'serving_default'", "Random numbers", "SeedGenerator", quick=True)
def numbers_of_tensorflow():
    import tensorflow as tf

    return apply(lambda x: x + tf.random.normal(tf.shape(x)))


@tries.right()
def stateless_numbers():
    import tensorflow as tf

    return apply(lambda x: x + tf.random.stateless_normal(tf.shape(x), (1, 2)))


@tries.right()
def a_fixed_seed():
    return apply(lambda x: x + keras.random.normal(keras.ops.shape(x), seed=5))


@tries.refused("signature 'serving_default'", "differs from the model", quick=True)
def a_counter_of_python():
    counts = []

    def count(x):
        counts.append(0)
        return x * 1e-6 * len(counts)

    return apply(count)
