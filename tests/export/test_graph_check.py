"""What a server would load and then fail at is refused, and leaves nothing behind."""

import keras
import pytest

from keras_attention import export

X = keras.InputSpec(shape=(None, 2), dtype="float32", name="x")


def refused(function, directory, match):
    with pytest.raises(ValueError, match=match):
        export.saved_model(None, directory, signatures={"serving_default": (function, [X])})
    assert list(directory.iterdir()) == []


def test_a_signature_that_must_be_compiled_is_refused(tmp_path):
    import tensorflow as tf

    compiled = tf.function(lambda x: x + 1, jit_compile=True)
    refused(compiled, tmp_path, "no function with jit_compile=True")


def test_a_layer_that_compiles_inside_a_loop_is_refused(tmp_path):
    import tensorflow as tf

    class Compiled(keras.layers.Layer):
        def call(self, x):
            return tf.function(lambda x: x + 1, jit_compile=True)(x)

    layer = Compiled()

    def loop(x):
        return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, layer(x)), (0, x))[1]

    refused(loop, tmp_path, "no function with jit_compile=True")


@pytest.mark.parametrize("kind", ["py_function", "numpy_function"])
def test_python_in_the_graph_is_refused(kind, tmp_path):
    import tensorflow as tf

    call = getattr(tf, kind)
    refused(lambda x: call(lambda x: x, [x], tf.float32), tmp_path, "no tf.py_function.*PyFunc")


def test_python_in_a_branch_that_is_never_taken_is_refused(tmp_path):
    import tensorflow as tf

    def branch(x):
        return tf.cond(
            tf.reduce_any(x > 9e9), lambda: tf.numpy_function(abs, [x], tf.float32), lambda: x
        )

    refused(branch, tmp_path, "no tf.py_function.*PyFunc")
