"""Half-precision inputs for which an epsilon chosen for float32 would give infinite gradients."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from tests.gradients import gradients

X = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
INPUTS = {
    "zeros": 0 * X,
    "one zero vector": np.where(np.arange(5)[None, :, None] == 2, 0, X).astype("float32"),
    "equal vectors": np.ones_like(X),
}
LAYERS = {
    "cosine": lambda **options: keras_attention.Attention("cosine", **options),
    "post": lambda **options: keras_attention.TransformerEncoderBlock(2, 6, **options),
    "pre": lambda **options: keras_attention.TransformerEncoderBlock(2, 6, norm="pre", **options),
}
FACTORS = np.random.default_rng(1).normal(size=X.shape).astype("float32")


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("dtype", ["mixed_float16", "float16", "mixed_bfloat16", "bfloat16"])
def test_outputs_and_gradients_are_finite_and_outputs_near_float32(dtype, make, inputs):
    layer, half_layer = make(), make(dtype=dtype)
    layer(X), half_layer(X)
    half_layer.set_weights(layer.get_weights())

    def loss(x):
        return ops.sum(ops.multiply(ops.cast(half_layer(x), "float32"), FACTORS))

    output, expected = (ops.cast(f(inputs), "float32") for f in (half_layer, layer))
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (output, expected)), atol=0.1)
    results = gradients(loss, [inputs], layer_variables(half_layer))
    assert all(np.isfinite(np.asarray(x, "float32")).all() for x in results)


def layer_variables(layer):
    return layer.trainable_variables if keras.backend.backend() != "jax" else ()


def test_gradient_of_a_cosine_near_a_zero_vector_equals_that_of_float32():
    results = []
    for dtype in ("float32", "mixed_float16"):
        layer = keras_attention.Attention("cosine", dtype=dtype)
        layer(X)

        def loss(x, layer=layer):
            return ops.sum(ops.multiply(ops.cast(layer(x), "float32"), FACTORS))

        results += gradients(loss, [INPUTS["one zero vector"]])
    np.testing.assert_allclose(*results, rtol=0, atol=0.05)
