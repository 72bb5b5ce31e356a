"""Blockwise dot attention of huge and tiny inputs is finite and matches the plain steps."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from tests.gradients import gradients


@pytest.mark.parametrize("score", ["scaled_dot", "general"])
@pytest.mark.parametrize("size", [1e-40, 1e-30, 1, 1e4, 1e19, 1e30])
def test_huge_and_tiny_inputs_match_the_plain_steps(score, size):
    unit = np.random.default_rng(0).uniform(-1, 1, (2, 6, 4))
    x = (size * unit).astype("float32")
    layers = [keras_attention.Attention(score, implementation=n) for n in ("plain", "blockwise")]
    for layer in layers:
        layer(x)
    layers[1].set_weights(layers[0].get_weights())
    plain, blockwise = (ops.convert_to_numpy(layer(x)) for layer in layers)
    # Below 1e-38, floats are multiples of 1.4e-45: allow for rounding by a few of them.
    np.testing.assert_allclose(blockwise, plain, rtol=1e-5, atol=max(1e-6 * size, 1e-44))
    if keras.backend.backend() == "jax" and size > 1e19:
        return  # On JAX, products beyond float32 give NaN gradients, even in the plain steps.
    plain, blockwise = (
        gradients(lambda x, f=layer: ops.sum(ops.multiply(f(x), unit.astype("float32"))), [x])[0]
        for layer in layers
    )
    assert np.isfinite(plain).all() and np.isfinite(blockwise).all()
    # With one-hot weights the gradient with respect to the scores is a difference of equal terms;
    # its rounding error is then multiplied by the keys.
    rounding = 1e-6 * min(size, 1e12) ** 2
    np.testing.assert_allclose(blockwise, plain, rtol=1e-4, atol=1e-5 + rounding)
