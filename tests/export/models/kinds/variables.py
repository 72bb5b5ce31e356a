"""Layers with other variables than weights, and the values of weights."""

import keras
import numpy as np

from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("variables and weights")
RANDOM = np.random.default_rng(0)


def fit(model):
    """Train a model of inputs (batch, 4) for a few steps."""
    model.compile(keras.optimizers.SGD(0.1), "mse")
    inputs = RANDOM.standard_normal((16, 4))
    model.fit(inputs, np.ones((16, *model.output_shape[1:])), verbose=0)
    return model


@tries.right(quick=True)
def batch_normalization_after_training():
    x = keras.Input((4,), name="x")
    return Case(fit(keras.Model(x, layers.BatchNormalization()(layers.Dense(3)(x)))))


@tries.right()
def spectral_normalization():
    x = keras.Input((4,), name="x")
    return Case(fit(keras.Model(x, layers.SpectralNormalization(layers.Dense(3))(x))))


@tries.right()
def group_and_unit_normalization():
    x = keras.Input((None, 4), name="x")
    return Case(keras.Model(x, layers.UnitNormalization()(layers.GroupNormalization(2)(x))))


@tries.right(quick=True)
def lora():
    x = keras.Input((4,), name="x")
    dense = layers.Dense(3)
    model = keras.Model(x, dense(x))
    dense.enable_lora(2)
    return Case(fit(model))


@tries.right()
def lora_of_an_embedding():
    x = keras.Input((None,), dtype="int32", name="x")
    embedding = layers.Embedding(5, 4)
    model = keras.Model(x, embedding(x))
    embedding.enable_lora(2)
    embedding.lora_embeddings_b.assign(RANDOM.standard_normal((2, 4)))
    return Case(model)


@tries.right()
def a_branch_in_the_graph():
    class Branch(layers.Layer):
        def call(self, x):
            is_large = keras.ops.sum(x) > 3
            return keras.ops.cond(is_large, lambda: 2 * x, lambda: -x)

    x = keras.Input((4,), name="x")
    return Case(keras.Model(x, Branch()(x)))


@tries.right()
def a_module_of_tensorflow():
    import tensorflow as tf

    class Affine(layers.Layer):
        def __init__(self):
            super().__init__()
            self.module = tf.Module()
            self.module.weight = tf.Variable(RANDOM.standard_normal((4, 2)).astype("float32"))

        def call(self, x):
            return keras.ops.matmul(x, self.module.weight)

    x = keras.Input((4,), name="x")
    return Case(keras.Model(x, Affine()(x)))


@tries.right()
def a_saved_model_exported_again(folder):
    x = keras.Input((4,), name="x")
    inner = keras.Model(x, layers.Dense(3)(x))
    inner.export(folder / "inner", verbose=False)
    layer = layers.TFSMLayer(folder / "inner", call_endpoint="serve")
    return Case(keras.Model(x, keras.ops.tanh(layer(x))))


@tries.right()
def weights_of_100_megabytes():
    x = keras.Input((5000,), name="x")
    return Case(keras.Model(x, layers.Dense(5000)(x)))


def with_weight(value, make_outputs):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, make_outputs(layers.Dense(3, name="head")(x)))
    kernel = model.get_layer("head").kernel
    kernel.assign(np.where(np.eye(4, 3), value, kernel))
    return Case(model)


@tries.refused("output 'output' of signature 'serving_default'", "head/kernel", quick=True)
def weights_that_are_nan():
    return with_weight(np.nan, lambda x: x)


@tries.refused("NaN in", "head/kernel")
def a_nan_behind_an_index():
    return with_weight(np.nan, lambda x: keras.ops.argmax(x, axis=-1))


@tries.refused("output 'output'", "infinity", "head/kernel")
def weights_that_are_infinite():
    return with_weight(np.inf, lambda x: keras.ops.abs(x) + 1)


@tries.right()
def outputs_that_are_infinite():
    x = keras.Input((4,), name="x")
    return Case(keras.Model(x, keras.ops.log(keras.ops.cast(x > 0, "float32"))))
