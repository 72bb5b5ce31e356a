"""KerasHub's Transformer layers give the same outputs after conversion."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import TransformerDecoderBlock, TransformerEncoderBlock
from keras_attention.migrate import decoder_block_from_keras_hub, encoder_block_from_keras_hub

if importlib.util.find_spec("keras_hub") is None:
    pytest.skip("KerasHub is optional", allow_module_level=True)
import keras_hub

RNG = np.random.default_rng(0)
X, MEMORY = (RNG.normal(size=(2, n, 8)).astype("float32") for n in (4, 5))
X_MASK = np.array([[True] * 4, [True] * 3 + [False]])
MEMORY_MASK = np.array([[True] * 5, [True, False, True, True, False]])
OPTIONS = {
    "default": {},
    "normalize_first": {"normalize_first": True, "layer_norm_epsilon": 1e-2},
    "gelu": {"activation": "gelu", "dropout": 0.3, "name": "theirs"},
    "odd_heads": {"num_heads": 3},
}


def build(layer_class, name, *inputs):
    layer = layer_class(**{"intermediate_dim": 12, "num_heads": 2, **OPTIONS[name]})
    layer(*inputs)
    rng = np.random.default_rng(1)
    layer.set_weights([0.5 * rng.normal(size=w.shape) for w in layer.weights])
    return layer


def assert_close(result, expected):
    result, expected = ops.convert_to_numpy(result), ops.convert_to_numpy(expected)
    np.testing.assert_allclose(result[X_MASK], expected[X_MASK], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(result[~X_MASK], 0)


@pytest.mark.parametrize("name", OPTIONS)
def test_encoder_block(name):
    layer = build(keras_hub.layers.TransformerEncoder, name, X)
    block = encoder_block_from_keras_hub(layer)
    pairs = np.tri(4, 4, 1) > 0
    expected = layer(X, padding_mask=X_MASK, attention_mask=np.stack([pairs] * 2))
    assert_close(block(X, mask=X_MASK, attention_mask=pairs), expected)
    assert (block.name, block.dropout, block.attention_dropout) == (
        layer.name,
        layer.dropout,
        layer.dropout,
    )


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("width", [8, 6])
def test_decoder_block(name, width):
    layer = build(keras_hub.layers.TransformerDecoder, name, X, MEMORY[..., :width])
    block = decoder_block_from_keras_hub(layer)
    assert type(block) is TransformerDecoderBlock
    memory = MEMORY[..., :width]
    expected = layer(X, memory, decoder_padding_mask=X_MASK, encoder_padding_mask=MEMORY_MASK)
    assert_close(block(X, memory, inputs_mask=X_MASK, memory_mask=MEMORY_MASK), expected)


def test_decoder_without_an_encoder_is_a_causal_encoder_block():
    layer = build(keras_hub.layers.TransformerDecoder, "default", X)
    block = decoder_block_from_keras_hub(layer)
    assert type(block) is TransformerEncoderBlock
    expected = layer(X, decoder_padding_mask=X_MASK)
    assert_close(block(X, mask=X_MASK, use_causal_mask=True), expected)


def test_dtype_policies_are_converted():
    layer = keras_hub.layers.TransformerEncoder(12, 2, dtype="mixed_bfloat16")
    layer(X)
    assert encoder_block_from_keras_hub(layer).dtype_policy.name == "mixed_bfloat16"


def test_layers_without_a_counterpart_are_refused():
    layer = keras_hub.layers.TransformerEncoder(12, 2)
    with pytest.raises(ValueError, match="Expected `layer` to be built"):
        encoder_block_from_keras_hub(layer)
    with pytest.raises(ValueError, match="Expected `layer` .*keras_hub.layers.TransformerDecoder"):
        decoder_block_from_keras_hub(layer)
    with pytest.raises(ValueError, match="Expected `layer` .*keras_hub.layers.TransformerEncoder"):
        encoder_block_from_keras_hub(keras.layers.Dense(3))
    layer(X)
    layer._feedforward_output_dense.enable_lora(2)
    with pytest.raises(ValueError, match="Expected a `layer` of plain weights.*lora"):
        encoder_block_from_keras_hub(layer)
