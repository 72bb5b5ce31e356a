"""Errors, output shapes and dropout seeds of the Transformer layers."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import PositionalEncoding, TransformerDecoderBlock, TransformerEncoderBlock
from tests.layers.multi_head.multi_head_formulas import build_seeded, numpy

X = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("float32")
MEMORY = np.random.default_rng(1).normal(size=(2, 7, 3)).astype("float32")


def build_decoder():
    return build_seeded(TransformerDecoderBlock(2, 11), X, MEMORY)


@pytest.mark.parametrize("memory", [MEMORY[:, 0], MEMORY[:, None], np.repeat(MEMORY, 2, axis=0)])
@pytest.mark.parametrize("is_built", [False, True])
def test_memory_of_another_shape_is_refused(memory, is_built):
    block = build_decoder() if is_built else TransformerDecoderBlock(2, 11)
    with pytest.raises(ValueError, match="Expected (`memory`|the same batch) .*Received: "):
        block(X, memory)


def test_memory_of_another_width_is_refused():
    with pytest.raises(ValueError, match="Expected the width 3 .*Received: .*2, 7, 2"):
        build_decoder()(X, MEMORY[..., :2])


def test_building_without_a_memory_is_refused():
    with pytest.raises(ValueError, match="Expected `memory` in the call that builds the block"):
        TransformerDecoderBlock(2, 11)(X)
    with pytest.raises(ValueError, match="Expected `memory` in the call that builds the block"):
        TransformerDecoderBlock(2, 11)(X, cache=build_decoder().get_initial_cache(MEMORY, 5))


def test_cache_of_another_layer_is_refused():
    block = build_decoder()
    cache = block.get_initial_cache(MEMORY, 5)
    for wrong in (cache.written, cache.memory, cache.written[:2], "ab"):
        with pytest.raises(ValueError, match="Expected `cache` to be a DecoderBlockCache"):
            block(X, cache=wrong)
    with pytest.raises(ValueError, match="Expected `cache` to be a KeyValueCache"):
        block(X, cache=[cache.memory, cache.memory])
    with pytest.raises(ValueError, match="memory of a `cache` that this block created"):
        block(X, cache=(cache.written, block.get_initial_cache(MEMORY[:1], 5).memory))


def test_memory_mask_with_a_cache_is_refused():
    block = build_decoder()
    cache = block.get_initial_cache(MEMORY, 5)
    with pytest.raises(ValueError, match="Expected no `memory_mask` with `cache`"):
        block(X, memory_mask=np.ones(MEMORY.shape[:2], bool), cache=cache)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_inputs_of_another_width_than_at_build_are_refused(norm):
    block = build_seeded(TransformerEncoderBlock(2, 11, norm=norm), X)
    for x in (X[..., :4], X[:, 0]):
        with pytest.raises(ValueError, match="incompatible with the layer"):
            block(x)


@pytest.mark.parametrize("start", [1.7, np.array([0.0, 1.0], "float32"), True, np.array([1, 2, 3])])
def test_start_of_another_shape_or_dtype_is_refused(start):
    with pytest.raises(ValueError, match="Expected `start` to be integers of shape"):
        PositionalEncoding()(X, start=start)
    with pytest.raises(ValueError, match="Expected `start` to be integers of shape"):
        PositionalEncoding()(X[:1], start=np.array([1, 2]))


@pytest.mark.parametrize("seed", ["a", 1.5, True])
def test_seed_must_be_an_integer(seed):
    with pytest.raises(ValueError, match=f"Expected `seed` to be .* Received: seed={seed!r}"):
        TransformerEncoderBlock(2, 11, seed=seed)


def test_blocks_with_consecutive_seeds_share_no_sublayer_seed():
    seeds = []
    for seed in (0, 1, 2):
        block = TransformerDecoderBlock(2, 11, dropout=0.5, attention_dropout=0.5, seed=seed)
        block(X, MEMORY)
        parts = block.self_attention, block.cross_attention, block.around_self_attention
        parts += block.around_cross_attention, block.around_feed_forward
        seeds += [getattr(part, "drop", part).seed for part in parts]
    assert len(set(seeds)) == 15


def test_output_shapes_are_known_without_a_call():
    for layer in (TransformerEncoderBlock(2, 11), PositionalEncoding()):
        assert tuple(layer.compute_output_shape((None, 5, 6))) == (None, 5, 6)
        x = ops.convert_to_tensor(np.stack([X, 2 * X, 3 * X], axis=1))
        actual = numpy(keras.layers.TimeDistributed(layer)(x))
        for i in range(3):
            np.testing.assert_allclose(actual[:, i], numpy(layer(x[:, i])), rtol=1e-5, atol=1e-5)
    shape = TransformerDecoderBlock(2, 11).compute_output_shape((2, 5, 6), (2, 7, 3))
    assert tuple(shape) == (2, 5, 6)


def test_without_bias_the_attentions_have_kernels_only():
    block = build_seeded(TransformerDecoderBlock(2, 11, use_bias=False), X, MEMORY)
    assert len(block.self_attention.weights) == len(block.cross_attention.weights) == 4
    loaded = TransformerDecoderBlock.from_config(block.get_config())
    assert loaded.heads["use_bias"] is False
