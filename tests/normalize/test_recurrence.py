import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.normalize.recurrence import linear_recurrence, shift
from tests.gradients import gradients


def run_loop(decay, addition):
    q, result = np.zeros(decay.shape[:-1]), []
    for j in range(decay.shape[-1]):
        q = decay[..., j] * q + addition[..., j]
        result.append(q)
    return np.stack(result, axis=-1)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 64, 1000])
def test_recurrence_equals_a_loop(length):
    rng = np.random.default_rng(length)
    decay, addition = rng.uniform(size=(2, 3, length)), rng.normal(size=(2, 3, length))
    result = linear_recurrence(ops.convert_to_tensor(decay), ops.convert_to_tensor(addition))
    accuracy = 1e-5 if keras.backend.backend() == "jax" else 1e-12  # JAX computes in float32
    np.testing.assert_allclose(
        ops.convert_to_numpy(result), run_loop(decay, addition), atol=accuracy
    )


def test_decay_of_one_keeps_a_value_over_any_distance():
    decay, addition = np.ones((1, 999), "float32"), np.zeros((1, 999), "float32")
    addition[0, 0] = 0.1
    result = linear_recurrence(ops.convert_to_tensor(decay), ops.convert_to_tensor(addition))
    np.testing.assert_array_equal(ops.convert_to_numpy(result), np.full((1, 999), np.float32(0.1)))


def test_gradients_equal_finite_differences():
    rng = np.random.default_rng(0)
    decay, addition, scale = rng.uniform(size=(3, 1, 6))

    def loss(decay, addition):
        return ops.sum(ops.multiply(linear_recurrence(decay, addition), scale))

    found = gradients(loss, [decay, addition])
    step = 1e-6
    for number, j in itertools.product(range(2), range(6)):
        moved = [decay.copy(), addition.copy()]
        moved[number][0, j] += step
        difference = (run_loop(*moved) - run_loop(decay, addition)) * scale
        expected = difference.sum() / step
        np.testing.assert_allclose(found[number][0, j], expected, atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other sizes are always known")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_unknown_sizes_in_a_graph(jit_compile):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    decay, addition = rng.uniform(size=(2, 2, 37)).astype("float32")
    spec = tf.TensorSpec((None, None), "float32")
    run = tf.function(linear_recurrence, input_signature=[spec, spec], jit_compile=jit_compile)
    np.testing.assert_allclose(run(decay, addition), run_loop(decay, addition), atol=1e-5)


def test_shift_fills_with_a_value():
    x = np.array([[1.0, 2.0, 3.0]], "float32")
    for steps, expected in [(1, [9, 1, 2]), (-2, [3, 9, 9]), (5, [9, 9, 9]), (0, [1, 2, 3])]:
        np.testing.assert_array_equal(ops.convert_to_numpy(shift(x, steps, fill=9.0)), [expected])
