"""Functions that only XLA or Python can run, and models from files."""

import keras
import numpy as np

from tests.export.models.kinds.randomness import Call
from tests.export.models.tries import Case, Tries

layers = keras.layers
tries = Tries("XLA, Python and files")


def apply(function, shape=(4,), **kwargs):
    x = keras.Input(shape, name="x")
    return Case(keras.Model(x, Call(function, name="own")(x)), **kwargs)


def make_small_model():
    x = keras.Input((4,), name="x")
    return keras.Model(x, layers.Dense(3)(layers.LayerNormalization()(x)))


@tries.right(quick=True)
def trained_with_jit_compile():
    model = make_small_model()
    model.compile("sgd", "mse", jit_compile=True)
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
    return Case(model)


@tries.right()
def loaded_from_a_keras_file(folder):
    make_small_model().save(folder / "m.keras")
    return Case(keras.saving.load_model(folder / "m.keras"))


@tries.right()
def loaded_from_an_h5_file(folder):
    make_small_model().save(folder / "m.h5")
    return Case(keras.saving.load_model(folder / "m.h5"))


def square_compiled(x):
    import tensorflow as tf

    return tf.function(lambda x: x * x, jit_compile=True)(x)


def update(x):
    return keras.ops.slice_update(x, (0, 1), 2 * x[:, :2])


@tries.refused("jit_compile=True", "--xla_cpu_compilation_enabled", "xla=True", quick=True)
def a_function_with_jit_compile():
    return apply(square_compiled)


@tries.refused("XlaDynamicUpdateSlice", "keras.ops.where", "xla=True")
def slice_update():
    return apply(update)


@tries.right()
def a_function_with_jit_compile_for_a_server_with_xla():
    return apply(square_compiled, options={"xla": True})


@tries.right()
def slice_update_for_a_server_with_xla():
    return apply(update, options={"xla": True})


@tries.refused("tf.py_function", quick=True)
def py_function():
    import tensorflow as tf

    return apply(
        lambda x: tf.ensure_shape(tf.py_function(lambda x: 2 * x, [x], "float32"), x.shape)
    )


@tries.refused("tf.numpy_function")
def numpy_function():
    import tensorflow as tf

    return apply(
        lambda x: tf.ensure_shape(tf.numpy_function(lambda x: 2 * x, [x], "float32"), x.shape)
    )


def serve_in_python(function):
    """The case of a subclassed model whose `call` runs eagerly, but not in a graph."""

    class Eager(keras.Model):
        def call(self, x):
            return function(x)

    x, model = keras.InputSpec(shape=(None, 4), dtype="float32", name="x"), Eager(name="eager")
    return Case(model, {"serving_default": (model, [x])})


TRACING = ("signature 'serving_default'", "keras.ops")


@tries.refused(*TRACING, quick=True)
def a_branch_of_python():
    return serve_in_python(lambda x: x if keras.ops.sum(x) > 0 else -x)


@tries.refused(*TRACING)
def a_number_of_python():
    return serve_in_python(lambda x: x * float(keras.ops.sum(x)))


@tries.refused(*TRACING)
def a_computation_in_numpy():
    return serve_in_python(lambda x: keras.ops.convert_to_tensor(np.cumsum(x, axis=1)))


@tries.refused(*TRACING)
def arithmetic_with_an_unknown_size():
    return serve_in_python(lambda x: keras.ops.reshape(x, (x.shape[0] * 2, 2)))
