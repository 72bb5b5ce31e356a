import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.decoding import beam_search, greedy
from keras_attention.top_k import top_k


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_equal_values_keep_their_order(dtype):
    rng = np.random.default_rng(0)
    for count, k in [(1, 1), (5, 1), (5, 5), (11, 4), (101, 7)]:
        x = rng.integers(-3, 3, size=(2, 7, count)).astype("float32")
        x[x == -3] = -np.inf
        values, indices = (
            ops.convert_to_numpy(ops.cast(y, "float32")) for y in top_k(ops.cast(x, dtype), k)
        )
        expected = np.argsort(-x, axis=-1, kind="stable")[..., :k]
        np.testing.assert_array_equal(indices, expected)
        np.testing.assert_array_equal(values, np.take_along_axis(x, expected, axis=-1))


def test_zeros_of_either_sign_are_equal():
    x = np.array([[-0.0, 0.0, -1.0], [0.0, -0.0, 0.0]], "float32")
    indices = compile_function(lambda x: top_k(x, 2)[1])(x)
    np.testing.assert_array_equal(ops.convert_to_numpy(indices), [[0, 1], [0, 1]])


def compile_function(function):
    """Compile a function with XLA, if the backend supports it."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def score_tokens_equally(tokens, state, memory):
    return ops.zeros((ops.shape(tokens)[0], 5)), state, None


def test_searches_take_the_first_of_equally_probable_tokens():
    state = np.zeros((1, 1), "float32")
    decoded = greedy(score_tokens_equally, state, 0, -1, 3)
    np.testing.assert_array_equal(ops.convert_to_numpy(decoded.tokens), [[0, 0, 0]])
    decoded = beam_search(score_tokens_equally, state, 0, -1, 2, beam_width=6)
    expected = [[0, 0], [0, 1], [0, 2], [0, 3], [0, 4], [1, 0]]
    np.testing.assert_array_equal(ops.convert_to_numpy(decoded.tokens)[0], expected)
