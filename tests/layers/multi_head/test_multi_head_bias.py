"""`attention_bias`, as for relative positions, in every implementation."""

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
    build_seeded,
    compute_expected,
    numpy,
)

RNG = np.random.default_rng(3)
FULL = 2, 4, 3, 7
SHAPES = [FULL, (4, 3, 7), (2, 1, 3, 7), (4, 1, 7), (2, 4, 3, 1), (7,)]
MODES = ["plain", "blockwise"]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("keras_attention.kernels.tuning.DOT_MAX_ROWS_PER_BLOCK", 2)
    monkeypatch.setattr("keras_attention.kernels.tuning.DOT_MIN_WEIGHTS_PER_HEAD", 1)


def sample(shape):
    return RNG.normal(size=shape).astype("float32")


def build(mode, **options):
    layer = MultiHeadAttention(4, 2, num_key_value_heads=2, implementation=mode, **options)
    return build_seeded(layer, [QUERY, VALUE, KEY])


def build_self_attention(mode, **options):
    return build_seeded(MultiHeadSelfAttention(4, 2, implementation=mode, **options), X)


@every_mode
@every_shape
def test_bias_is_added_to_the_scores(mode, shape):
    layer, bias = build(mode), sample(shape)
    call = {"attention_mask": MASK, "attention_bias": bias}
    results = layer([QUERY, VALUE, KEY], return_attention_scores=True, **call)
    expected_outputs = compute_expected(
        layer, QUERY, VALUE, KEY, MASK, bias=np.broadcast_to(bias, FULL)
    )
    for result, correct in zip(results, expected_outputs, strict=True):
        np.testing.assert_allclose(numpy(result), correct, rtol=1e-5, atol=1e-5)
    output_only = layer([QUERY, VALUE, KEY], **call)
    np.testing.assert_array_equal(numpy(output_only), numpy(results[0]))


@every_shape
def test_plain_and_blockwise_have_the_same_gradients(shape):
    bias, results = sample(shape), []
    for mode in MODES:
        layer = build(mode)

        def loss(query, value, bias, layer=layer):
            call = {"attention_mask": MASK, "attention_bias": bias}
            return ops.sum(layer([query, value, KEY], **call) ** 2)

        results.append(gradients(loss, [QUERY, VALUE, bias], layer.trainable_variables))
    assert results[0][2].shape == shape
    for result, correct in zip(*results, strict=True):
        np.testing.assert_allclose(result, correct, rtol=1e-4, atol=1e-4)


@every_mode
def test_bias_at_masked_positions_changes_nothing(mode):
    layer, bias = build(mode), sample(FULL)
    is_visible = np.broadcast_to(MASK[:, None], FULL)

    def run_all(bias):
        def loss(query, value, bias):
            call = {"attention_mask": MASK, "attention_bias": bias}
            return ops.sum(layer([query, value, KEY], **call) ** 2)

        return gradients(loss, [QUERY, VALUE, bias], layer.trainable_variables)

    expected_outputs = run_all(bias)
    results = run_all(np.where(is_visible, bias, np.float32(np.nan)))
    for result, correct in zip(results, expected_outputs, strict=True):
        np.testing.assert_array_equal(result, correct)
    np.testing.assert_array_equal(expected_outputs[2][~is_visible], 0)
    assert (expected_outputs[2][is_visible] != 0).any()


@every_mode
@pytest.mark.parametrize(
    "options", [{}, {"window": 2, "rotary_base": 50.0}], ids=["no_window", "window"]
)
def test_bias_of_new_tokens_works_with_a_cache(mode, options):
    layer, bias = build_self_attention(mode, **options), sample((1, 4, 7, 7))
    expected = layer(X, use_causal_mask=True, attention_bias=bias)
    slot_bias = np.pad(bias, ((0, 0), (0, 0), (0, 0), (0, 2)), constant_values=np.nan)
    cache, results = layer.get_initial_cache(2, 9), []
    for first, end in ((0, 4), (4, 5), (5, 7)):
        rows = slot_bias[:, :, first:end]
        output, cache = layer(X[:, first:end], cache=cache, attention_bias=rows)
        results.append(numpy(output))
    np.testing.assert_allclose(np.concatenate(results, axis=1), numpy(expected), atol=1e-5)
    assert np.abs(numpy(expected) - numpy(layer(X, use_causal_mask=True))).max() > 0.01


@every_mode
def test_bias_of_a_single_query_has_one_row(mode):
    layer, bias = build(mode), sample((4, 3, 7))
    output, weights = layer([QUERY, VALUE, KEY], attention_bias=bias, return_attention_scores=True)
    single_output, single_weights = layer(
        [QUERY[:, 1], VALUE, KEY], attention_bias=bias[:, 1], return_attention_scores=True
    )
    np.testing.assert_allclose(numpy(single_output), numpy(output)[:, 1], atol=1e-6)
    np.testing.assert_allclose(numpy(single_weights), numpy(weights)[:, :, 1], atol=1e-6)


@every_mode
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_does_not_round_the_bias(mode, dtype):
    layer = build_self_attention(mode, dtype=dtype)
    bias = 4096 + np.arange(7, dtype="float32") / 4  # float16 rounds all of them to 4096
    results = layer(X, attention_bias=bias, return_attention_scores=True)
    expected_outputs = layer(X, attention_bias=bias - 4096, return_attention_scores=True)
    for result, correct in zip(results, expected_outputs, strict=True):
        result, correct = (numpy(ops.cast(x, "float32")) for x in (result, correct))
        np.testing.assert_allclose(result, correct, atol=2e-2)


@every_mode
def test_functional_model_accepts_a_bias_with_padding(mode):
    words, bias = keras.Input((None,), dtype="int32"), keras.Input((4, None, None))
    embedded = keras.layers.Embedding(9, 5, mask_zero=True)(words)
    layer = MultiHeadSelfAttention(4, 2, implementation=mode)
    model = keras.Model([words, bias], layer(embedded, attention_bias=bias))
    assert model.output_shape == (None, None, 5)
    inputs = np.array([[3, 1, 4, 0, 0], [5, 2, 6, 5, 3]], "int32")
    dense_bias = sample((2, 4, 5, 5))
    bias_with_nan = dense_bias.copy()
    bias_with_nan[0, :, :, 3:] = bias_with_nan[0, :, 3:] = np.nan
    results = numpy(model([inputs, bias_with_nan]))
    np.testing.assert_array_equal(results, numpy(model([inputs, dense_bias])))
    np.testing.assert_array_equal(results[0, 3:], 0)
    assert np.isfinite(results).all() and np.abs(results).max() > 0.01


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (
            np.ones((4, 7, 7), "int32"),
            "Expected `attention_bias` to be of a float dtype.*dtype int32",
        ),
        (np.ones((4, 7, 7), bool), "Expected `attention_bias` to be of a float dtype.*dtype bool"),
        (np.ones((1, 2, 4, 7, 7), "float32"), r"broadcastable to shape \(2, 4, 7, 7\).*\(1, 2, 4,"),
        (np.ones((3, 7, 7), "float32"), r"`attention_bias` .*Received: .* shape \(3, 7, 7\)"),
        (np.ones((4, 7, 9), "float32"), r"`attention_bias` .*Received: .* shape \(4, 7, 9\)"),
    ],
)
def test_bias_of_the_wrong_shape_or_dtype_is_refused(bias, message):
    layer = build_self_attention("auto")
    with pytest.raises(ValueError, match=message):
        layer(X, attention_bias=bias)
    with pytest.raises(ValueError, match=message):
        symbolic = keras.KerasTensor(bias.shape, keras.backend.standardize_dtype(bias.dtype))
        layer(keras.KerasTensor(X.shape), attention_bias=symbolic)
    with pytest.raises(ValueError, match="Expected `attention_bias`"):
        layer(X, cache=layer.get_initial_cache(2, 8), attention_bias=bias)
