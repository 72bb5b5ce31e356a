"""A bias of the scores, as relative positions are learned by, on every way to them."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadAttention, MultiHeadSelfAttention
from tests.gradients import gradients
from tests.layers.multi_head.multi_head_formulas import (
    KEY,
    MASK,
    QUERY,
    VALUE,
    X,
    expected,
    numpy,
    seeded,
)

RNG = np.random.default_rng(3)
FULL = 2, 4, 3, 7
SHAPES = [FULL, (4, 3, 7), (2, 1, 3, 7), (4, 1, 7), (2, 4, 3, 1), (7,)]
WAYS = ["plain", "blockwise"]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("keras_attention.kernels.tuning.DOT_MAX_ROWS_PER_BLOCK", 2)
    monkeypatch.setattr("keras_attention.kernels.tuning.DOT_MIN_WEIGHTS_PER_HEAD", 1)


def drawn(shape):
    return RNG.normal(size=shape).astype("float32")


def built(way, **options):
    layer = MultiHeadAttention(4, 2, num_key_value_heads=2, implementation=way, **options)
    return seeded(layer, [QUERY, VALUE, KEY])


def of_itself(way, **options):
    return seeded(MultiHeadSelfAttention(4, 2, implementation=way, **options), X)


@every_way
@every_shape
def test_it_is_added_to_the_scores_of_the_formula(way, shape):
    layer, bias = built(way), drawn(shape)
    call = {"attention_mask": MASK, "attention_bias": bias}
    found = layer([QUERY, VALUE, KEY], return_attention_scores=True, **call)
    wanted = expected(layer, QUERY, VALUE, KEY, MASK, bias=np.broadcast_to(bias, FULL))
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(numpy(got), want, rtol=1e-5, atol=1e-5)
    alone = layer([QUERY, VALUE, KEY], **call)
    np.testing.assert_array_equal(numpy(alone), numpy(found[0]))


@every_shape
def test_both_ways_have_the_same_gradients(shape):
    bias, found = drawn(shape), []
    for way in WAYS:
        layer = built(way)

        def loss(query, value, bias, layer=layer):
            call = {"attention_mask": MASK, "attention_bias": bias}
            return ops.sum(layer([query, value, KEY], **call) ** 2)

        found.append(gradients(loss, [QUERY, VALUE, bias], layer.trainable_variables))
    assert found[0][2].shape == shape
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@every_way
def test_what_masks_hide_of_it_may_be_anything(way):
    layer, bias = built(way), drawn(FULL)
    seen = np.broadcast_to(MASK[:, None], FULL)

    def everything(bias):
        def loss(query, value, bias):
            call = {"attention_mask": MASK, "attention_bias": bias}
            return ops.sum(layer([query, value, KEY], **call) ** 2)

        return gradients(loss, [QUERY, VALUE, bias], layer.trainable_variables)

    wanted = everything(bias)
    found = everything(np.where(seen, bias, np.float32(np.nan)))
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(wanted[2][~seen], 0)
    assert (wanted[2][seen] != 0).any()


@every_way
@pytest.mark.parametrize("options", [{}, {"window": 2, "rotary_base": 50.0}], ids=["all", "near"])
def test_a_cache_takes_the_rows_of_the_new_tokens(way, options):
    layer, bias = of_itself(way, **options), drawn((1, 4, 7, 7))
    whole = layer(X, use_causal_mask=True, attention_bias=bias)
    of_places = np.pad(bias, ((0, 0), (0, 0), (0, 0), (0, 2)), constant_values=np.nan)
    cache, found = layer.get_initial_cache(2, 9), []
    for first, end in ((0, 4), (4, 5), (5, 7)):
        rows = of_places[:, :, first:end]
        output, cache = layer(X[:, first:end], cache=cache, attention_bias=rows)
        found.append(numpy(output))
    np.testing.assert_allclose(np.concatenate(found, axis=1), numpy(whole), atol=1e-5)
    assert np.abs(numpy(whole) - numpy(layer(X, use_causal_mask=True))).max() > 0.01


@every_way
def test_a_single_query_has_a_row_of_it(way):
    layer, bias = built(way), drawn((4, 3, 7))
    output, weights = layer([QUERY, VALUE, KEY], attention_bias=bias, return_attention_scores=True)
    one, its_weights = layer(
        [QUERY[:, 1], VALUE, KEY], attention_bias=bias[:, 1], return_attention_scores=True
    )
    np.testing.assert_allclose(numpy(one), numpy(output)[:, 1], atol=1e-6)
    np.testing.assert_allclose(numpy(its_weights), numpy(weights)[:, :, 1], atol=1e-6)


@every_way
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_does_not_round_it(way, dtype):
    layer = of_itself(way, dtype=dtype)
    bias = 4096 + np.arange(7, dtype="float32") / 4  # of which float16 keeps nothing but 4096
    found = layer(X, attention_bias=bias, return_attention_scores=True)
    wanted = layer(X, attention_bias=bias - 4096, return_attention_scores=True)
    for got, want in zip(found, wanted, strict=True):
        got, want = (numpy(ops.cast(x, "float32")) for x in (got, want))
        np.testing.assert_allclose(got, want, atol=2e-2)


@every_way
def test_a_model_takes_it_beside_padded_words(way):
    words, bias = keras.Input((None,), dtype="int32"), keras.Input((4, None, None))
    embedded = keras.layers.Embedding(9, 5, mask_zero=True)(words)
    layer = MultiHeadSelfAttention(4, 2, implementation=way)
    model = keras.Model([words, bias], layer(embedded, attention_bias=bias))
    assert model.output_shape == (None, None, 5)
    given = np.array([[3, 1, 4, 0, 0], [5, 2, 6, 5, 3]], "int32")
    of_all = drawn((2, 4, 5, 5))
    planted = of_all.copy()
    planted[0, :, :, 3:] = planted[0, :, 3:] = np.nan
    found = numpy(model([given, planted]))
    np.testing.assert_array_equal(found, numpy(model([given, of_all])))
    np.testing.assert_array_equal(found[0, 3:], 0)
    assert np.isfinite(found).all() and np.abs(found).max() > 0.01


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (np.ones((4, 7, 7), "int32"), "Expected `attention_bias` of floats.*dtype int32"),
        (np.ones((4, 7, 7), bool), "Expected `attention_bias` of floats.*dtype bool"),
        (np.ones((1, 2, 4, 7, 7), "float32"), r"broadcastable to shape \(2, 4, 7, 7\).*\(1, 2, 4,"),
        (np.ones((3, 7, 7), "float32"), r"`attention_bias` .*Received: .* shape \(3, 7, 7\)"),
        (np.ones((4, 7, 9), "float32"), r"`attention_bias` .*Received: .* shape \(4, 7, 9\)"),
    ],
)
def test_what_does_not_go_with_the_scores_is_refused(bias, message):
    layer = of_itself("auto")
    with pytest.raises(ValueError, match=message):
        layer(X, attention_bias=bias)
    with pytest.raises(ValueError, match=message):
        symbolic = keras.KerasTensor(bias.shape, keras.backend.standardize_dtype(bias.dtype))
        layer(keras.KerasTensor(X.shape), attention_bias=symbolic)
    with pytest.raises(ValueError, match="Expected `attention_bias`"):
        layer(X, cache=layer.get_initial_cache(2, 8), attention_bias=bias)
