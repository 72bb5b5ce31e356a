"""Positions, REINFORCE credit and layers under every `keras.config.floatx()`."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import mask, reinforce
from keras_attention.layers.reinforce.reinforce import credit
from keras_attention.normalize import hardmax
from tests.gradients import gradients

JIT = keras.backend.backend() != "torch"
FLOATX = ["float16", "bfloat16"]
if keras.backend.backend() != "jax":  # JAX has no float64 unless enabled at its start
    FLOATX.append("float64")


@pytest.fixture(params=FLOATX)
def floatx(request):
    before = keras.config.floatx()
    policy = keras.config.dtype_policy()
    keras.config.set_floatx(request.param)
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(policy)


def numpy(x):
    return ops.convert_to_numpy(x)


def test_positions_are_computed_in_every_floatx(floatx):
    scores = np.array([[1.0, 3.0, 2.0]], "float32")
    np.testing.assert_array_equal(numpy(hardmax(scores)), [[0, 1, 0]])
    np.testing.assert_array_equal(numpy(mask.causal(2, 3)), [[1, 1, 0], [1, 1, 1]])
    np.testing.assert_array_equal(numpy(mask.window(2, 3, 1)), [[1, 1, 1], [0, 1, 1]])


def test_layers_with_positions_run_in_every_floatx(floatx):
    x = ops.ones((2, 5, 8), floatx)
    attention = keras_attention.MultiHeadSelfAttention(2, 4, rotary_base=100.0, window=1)
    assert np.isfinite(numpy(ops.cast(attention(x), "float32"))).all()
    location_attention = keras_attention.Attention(keras_attention.score.LocationScore(7))
    assert np.isfinite(numpy(ops.cast(location_attention([x, x]), "float32"))).all()


def test_credit_survives_the_sum_of_losses(floatx):
    costs = np.array([3.0, -1.0, 2.0, 4.0], "float32")

    def loss(log_probability):
        tensor = credit(log_probability, 0 * log_probability)
        return ops.add(ops.sum(tensor), reinforce([tensor], costs, 0.0, 1.0))

    [actual] = gradients(loss, [np.full((4,), -2.0, "float32")])
    np.testing.assert_allclose(numpy(actual), costs / 4, rtol=1e-2)


def test_reinforce_model_trains_in_every_floatx(floatx):
    inputs = [keras.Input((3, 8)), keras.Input((7, 8))]
    context = keras_attention.HardAttention("dot", seed=1)(inputs)
    model = keras_attention.ReinforceModel(inputs, keras.layers.Dense(1)(context))
    model.compile("sgd", "mse", jit_compile=JIT)
    x = [np.ones((4, 3, 8)), np.ones((4, 7, 8))]
    history = model.fit(x, np.zeros((4, 3, 1)), epochs=2, verbose=0).history
    assert np.isfinite([float(loss) for loss in history["loss"]]).all()
    assert keras.backend.standardize_dtype(model.rewards.dtype) == "float32"
    assert float(model.baseline) < 0
