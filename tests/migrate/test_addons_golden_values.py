"""The golden values in the tests of TensorFlow Addons (attention_wrapper_test.py).

Addons runs each mechanism with fixed random inputs and weights of ones, and compares the means of
the results.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_attention.migrate import attention_decoder_from_addons
from tests.migrate import addons_formulas

CELL, MEMORY, SIZE, UNITS = 9, 10, 6, 3
LENGTHS = np.array([3, 2, 3, 1, 1])
MASK = np.arange(8) < LENGTHS[:, None]
STEPS = 3

# By test of Addons: outputs, the cell's two states, the last attention, the last alignments.
GOLDEN = {
    "bahdanau_not_normalized": (-0.003204414, 0.40868404, 0.89017969, 0.041453815, 0.125),
    "bahdanau_normalized": (-0.008089137, 0.49166861, 1.01068615, 0.042427111, 0.125),
    "luong_not_normalized": (-0.06124732, 0.52021580, 1.0964939, -0.0318060, 0.125),
    "luong_scaled": (-0.06124732, 0.52021580, 1.0964939, -0.0318060, 0.125),
    "not_use_attention_layer": (0.078317143, 0.89382392, 1.722382, 0.026356646, 0.125),
    "bahdanau_monotonic_not_normalized": (
        *(-0.009921653, 0.44612807, 0.95786464, 0.038682378),
        0.09778417,
    ),
    "bahdanau_monotonic_normalized": (
        *(0.007140680, 0.47012400, 1.0249618, 0.068432882),
        0.0615656,
    ),
}
LUONG_MONOTONIC = (0.003664831, 0.54318606, 1.12592840, 0.059128221, 0.05112994)


def draw_inputs():
    """Draw the inputs as the tests of Addons do."""
    rng = np.random.RandomState(87654321)
    rng.randn(64, 10, 256)
    rng.randint(1, high=10, size=(64,))
    rng.randn(64, 12, 128)
    rng.randint(12, size=(64,))
    inputs, memory = rng.randn(5, 4, 7), rng.randn(5, 8, MEMORY)
    return inputs[:, :STEPS].astype("float32"), memory.astype("float32")


def create_weights(name):
    units = UNITS if "bahdanau" in name or "not_use" in name else CELL
    has_attention_layer = name != "not_use_attention_layer"
    attention = SIZE if has_attention_layer else MEMORY
    bias = np.repeat([0.0, 1.0, 0.0, 0.0], CELL)  # that of the forget gate is one
    weights = {
        "cell/kernel": np.ones((7 + attention, 4 * CELL)),
        "cell/recurrent_kernel": np.ones((CELL, 4 * CELL)),
        "cell/bias": bias,
        "memory_layer/kernel": np.ones((MEMORY, units)),
    }
    if units == UNITS:
        weights |= {"query_layer/kernel": np.ones((CELL, units)), "attention_v": np.ones(units)}
    if name in ("bahdanau_normalized", "bahdanau_monotonic_normalized"):
        weights |= {"attention_g": np.asarray(units**-0.5), "attention_b": np.zeros(units)}
    if "scaled" in name:
        weights["attention_g"] = np.asarray(1.0)
    if "monotonic" in name:
        weights["attention_score_bias"] = np.asarray(0.0)
    if has_attention_layer:
        tf.random.set_seed(87654321)
        limit = np.sqrt(6 / (CELL + MEMORY + SIZE))
        kernel = tf.random.uniform((CELL + MEMORY, SIZE), -limit, limit, seed=1337)
        weights["attention_layer/kernel"] = kernel.numpy()
    return weights


def assert_means(results, golden):
    # Addons compares the means within 1e-3.
    means = [np.mean(ops.convert_to_numpy(x)) for x in results]
    np.testing.assert_allclose(means, golden, atol=1e-5)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values(name):
    inputs, memory = draw_inputs()
    decoder = attention_decoder_from_addons(create_weights(name), keras.layers.LSTMCell(CELL))
    outputs, alignments, state = decoder(
        inputs, memory, memory_mask=MASK, return_attention_scores=True, return_state=True
    )
    assert_means([outputs, *state.cell, state.attention, alignments[:, -1]], GOLDEN[name])


def test_golden_values_of_luong_monotonic_attention_have_the_error_of_the_closed_form():
    weights = create_weights("luong_monotonic")
    inputs, memory = draw_inputs()
    outputs, alignments, _, states = addons_formulas.attention_wrapper(
        inputs.astype("float64"), memory.astype("float64"), MASK, weights, addons_formulas.parallel
    )
    assert_means([outputs, *states, outputs[:, -1], alignments[:, -1]], LUONG_MONOTONIC)
    decoder = attention_decoder_from_addons(weights, keras.layers.LSTMCell(CELL))
    _, exact = decoder(inputs, memory, memory_mask=MASK, return_attention_scores=True)
    _, expected, *_ = addons_formulas.attention_wrapper(
        inputs.astype("float64"), memory.astype("float64"), MASK, weights, addons_formulas.recursive
    )
    np.testing.assert_allclose(ops.convert_to_numpy(exact), expected, atol=1e-5)
    assert np.abs(alignments - expected).max() > 0.1
