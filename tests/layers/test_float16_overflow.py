"""Results beyond float16 are its largest number: infinity would become NaN in the next layer."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention as ka

LARGE = 6e4  # the largest number of float16 is 65504
X = np.full((1, 2, 4), LARGE, "float32")
X[0, 1] *= [1, -1, 1, -1]


def run(cell, dtype):
    return keras.layers.RNN(cell, return_sequences=True, dtype=dtype)


def relu_cell(dtype):
    """Return a cell whose output is a sum of its inputs."""
    return keras.layers.SimpleRNNCell(
        4, activation="relu", kernel_initializer="ones", dtype=dtype, name="cell"
    )


def machine(controller, dtype):
    cell = ka.NTMCell(
        4, slots=3, width=2, controller=controller, kernel_initializer="ones", dtype=dtype
    )
    return run(cell, dtype)


LAYERS = {
    "machine": lambda dtype: machine(relu_cell("float32"), dtype),
    "machine with a controller of half precision": lambda dtype: machine(relu_cell(dtype), dtype),
    "residual stack": lambda dtype: run(
        ka.ResidualStack([relu_cell("float32")], residual_from=0, dtype=dtype), dtype
    ),
    "positions": lambda dtype: ka.PositionalEncoding(scale=True, dtype=dtype),
    "block": lambda dtype: ka.TransformerEncoderBlock(
        1, 4, norm="pre", bias_initializer=keras.initializers.Constant(6e3), dtype=dtype
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_result_beyond_float16_is_its_largest_number(name):
    output = ops.convert_to_numpy(LAYERS[name]("mixed_float16")(X))
    assert output.dtype == "float16" and np.isfinite(output).all()
    assert np.abs(output.astype("float32")).max() == 65504


@pytest.mark.parametrize("inputs", [X, 0 * X, np.ones_like(X)], ids=["large", "zero", "equal"])
@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
def test_neural_turing_machine_in_half_precision_equals_float32(controller, inputs):
    layers = []
    for dtype in ("float32", "mixed_float16"):
        cell = ka.NTMCell(4, slots=3, width=2, controller=controller, dtype=dtype)
        layers.append(run(cell, dtype))
        layers[-1](X)
    layers[1].set_weights([100 * w for w in layers[0].get_weights()])
    layers[0].set_weights(layers[1].get_weights())
    expected, output = (ops.convert_to_numpy(layer(inputs)) for layer in layers)
    np.testing.assert_allclose(output.astype("float32"), expected, rtol=1e-3, atol=0.1)


def test_image_beyond_float16_is_its_largest_number():
    layer = ka.SelfAttention2D(dtype="mixed_float16")
    image = np.full((1, 2, 2, 4), LARGE, "float32")
    layer(image)
    layer.gamma.assign(100.0)
    output = ops.convert_to_numpy(layer(image)).astype("float32")
    assert np.isfinite(output).all() and np.abs(output).max() == 65504
