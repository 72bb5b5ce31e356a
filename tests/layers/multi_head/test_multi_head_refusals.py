"""Errors for wrong caches, wrong widths and Keras layers that cannot be converted."""

import keras
import numpy as np
import pytest

from keras_attention import MultiHeadAttention, MultiHeadSelfAttention, multi_head_from_keras
from tests.layers.multi_head.multi_head_formulas import QUERY, VALUE, X, build_seeded


def build(*args, **options):
    return build_seeded(MultiHeadSelfAttention(*args, **options), X)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda cache: "ab", "Expected `cache` to be a KeyValueCache .*Received: a str"),
        (lambda cache: list(cache)[:3], "Expected `cache` to be a KeyValueCache .*a list of 3"),
        (lambda cache: [1, 2, 3, 4], "Expected `cache` to be a KeyValueCache .*a list of 4"),
        (
            lambda cache: build(2, 6).get_initial_cache(2, 9),
            r"`cache.keys` of shape .2, 4, 9, 6.",
        ),
        (
            lambda cache: build(4, 3).get_initial_cache(2, 9),
            r"Received: cache.keys .*2, 4, 9, 3.",
        ),
        (
            lambda cache: build(4, 6, 2).get_initial_cache(2, 9),
            "Expected `cache.values` of shape",
        ),
        (lambda cache: build(4, 6).get_initial_cache(3, 9), "Expected `cache.keys` of shape"),
        (lambda cache: build(4, 6).get_initial_cache(1, 9), "Expected `cache.keys` of shape"),
        (lambda cache: cache._replace(mask=cache.mask[:, 1:]), "Expected `cache.mask` of shape"),
        (lambda cache: cache._replace(position=cache.mask), "Expected `cache.position` of shape"),
    ],
)
def test_cache_of_another_layer_is_refused(make, message):
    layer = build(4, 6)
    cache = make(layer.get_initial_cache(2, 9))
    with pytest.raises(ValueError, match=message):
        layer(X, cache=cache)


@pytest.mark.parametrize("x", [X[:, 0], X[:, None]])
def test_inputs_with_a_cache_must_have_rank_3(x):
    layer = build(4, 6)
    with pytest.raises(ValueError, match=r"Expected `inputs` .batch, T, width. if `cache`"):
        layer(x, cache=layer.get_initial_cache(2, 9))


def test_mask_with_a_cache_must_have_the_shape_of_the_new_tokens():
    layer = build(4, 6)
    cache = layer.get_initial_cache(2, 9)
    for shape in ((2, 9), (1, 7), (2, 1)):
        with pytest.raises(ValueError, match=r"Expected `mask` of shape .2, 7.*Received"):
            layer(X, mask=np.ones(shape, bool), cache=cache)
    _, next_cache = layer(X, mask=np.ones((2, 7), bool), cache=cache)
    assert tuple(next_cache.mask.shape) == (2, 9)


def test_inputs_of_the_wrong_width_are_refused():
    with pytest.raises(ValueError, match="Expected the width 5 .* Received: .*2, 7, 3"):
        build(4, 6)(X[..., :3])
    layer = build_seeded(MultiHeadAttention(4, 6), [QUERY, VALUE])
    with pytest.raises(ValueError, match="Expected the width 11 .* Received: .*2, 7, 5"):
        layer([QUERY, X])


@pytest.mark.parametrize(
    ("axes", "message"), [(None, "attention_axes=.1, 2."), ((1,), "a layer built for .* rank 4")]
)
def test_keras_layer_for_inputs_of_rank_4_is_refused(axes, message):
    theirs, x = keras.layers.MultiHeadAttention(3, 2, attention_axes=axes), X[:, :, None]
    theirs(x, x)
    with pytest.raises(ValueError, match=f"Expected .* Received: {message}"):
        multi_head_from_keras(theirs)


def test_sliding_window_of_one_is_refused():
    theirs = build_seeded(keras.layers.MultiHeadAttention(3, 2, sliding_window=1), X, X)
    with pytest.raises(ValueError, match="Expected `sliding_window`.* Received: sliding_window=1"):
        multi_head_from_keras(theirs)


def test_keras_layer_with_lora_weights_is_refused():
    theirs = build_seeded(keras.layers.MultiHeadAttention(3, 2), X, X)
    theirs.query_dense.enable_lora(2)
    with pytest.raises(ValueError, match="Expected a `layer` of plain .*Received: .*lora_kernel_a"):
        multi_head_from_keras(theirs)
