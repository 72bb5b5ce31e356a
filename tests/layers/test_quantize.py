"""`Model.quantize`: which layers it quantizes, and the warnings and errors of the others."""

import keras
import numpy as np
import pytest

import keras_attention
from tests.layers.contract.rows import ROWS

# `Model.quantize` warns about every layer that it cannot quantize, including layers of Keras.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
IMAGES = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype("float32")


def functional_model(layer, inputs=None):
    inputs = keras.Input((None, 8)) if inputs is None else inputs
    return keras.Model(inputs, layer(inputs))


@pytest.mark.parametrize("name", ROWS)
def test_functional_model_builds_all_sublayers(name):
    case = ROWS[name]
    model = case.functional_model(case.make())
    # Building a functional model does not run `call`, so `build` must build the sub-layers.
    assert [layer.path for layer in model._flatten_layers() if not layer.built] == []


@pytest.mark.parametrize("spectral_normalization", [False, True])
def test_image_layer_is_quantized(spectral_normalization):
    layer = keras_attention.SelfAttention2D(spectral_normalization=spectral_normalization)
    model = functional_model(layer, keras.Input((4, 6, 3)))
    layer.gamma.assign(1.0)
    expected = keras.ops.convert_to_numpy(model(IMAGES))
    model.quantize("int8")
    assert [w.dtype for w in layer.weights].count("int8") == 4
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(IMAGES)), expected, atol=0.05)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras_attention.MultiHeadSelfAttention(2),
        lambda: keras_attention.MultiHeadAttention(2),
        lambda: keras_attention.TransformerEncoderBlock(2, 8),
        lambda: keras_attention.AdditiveAttention(),
    ],
)
def test_quantize_warns_about_weights_that_it_does_not_change(layer):
    layer = layer()
    model = functional_model(layer)
    message = f"'{layer.name}/.*score' does not support `quantize`.*multi_head_to_keras"
    with pytest.warns(UserWarning, match=message):
        model.quantize("int8")


def test_quantize_of_a_single_layer_raises_an_error_with_advice():
    layer = keras_attention.MultiHeadSelfAttention(2)
    functional_model(layer)
    with pytest.raises(NotImplementedError, match="keras_attention.multi_head_to_keras"):
        layer.quantize("int8")


def test_layer_converted_to_keras_supports_quantization_and_lora():
    layer = keras_attention.MultiHeadSelfAttention(2)
    functional_model(layer)
    converted = keras_attention.multi_head_to_keras(layer)
    converted.query_dense.enable_lora(2)
    x = keras.Input((None, 8))
    model = keras.Model(x, converted(x, x))
    model.quantize("int8")
    assert "int8" in {w.dtype for w in converted.weights}
