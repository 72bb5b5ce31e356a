import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadAttention, MultiHeadSelfAttention, TransformerEncoderBlock

RNG = np.random.default_rng(0)
QUERY, VALUE = (RNG.normal(size=(2, steps, 8)).astype("float32") for steps in (4, 5))
MASK = RNG.random((2, 2, 4, 5)) < 0.6
MASK[0, 0, 1] = False  # masked in one head only
MASK[1, :, 2] = False
MASK[:, :, :, 3] = False


def call_layer(layer, *args, **kwargs):
    return ops.convert_to_numpy(layer(*args, **kwargs))


def call_with_weights(layer, *args, **kwargs):
    returned = layer(*args, return_attention_scores=True, **kwargs)
    return [ops.convert_to_numpy(x) for x in returned[:2]]


@pytest.mark.parametrize("implementation", ["plain", "blockwise"])
@pytest.mark.parametrize(
    "mask",
    [MASK, MASK[:1], MASK[:, :1], MASK[:, :1, :1], MASK[:, :, :1], MASK[:, :, :, :1]],
    ids=lambda mask: str(mask.shape),
)
def test_mask_may_have_a_head_axis(mask, implementation):
    layer = MultiHeadAttention(2, 4, implementation=implementation)
    _, unmasked = call_with_weights(layer, [QUERY, VALUE])
    visible = unmasked * mask
    total = visible.sum(-1, keepdims=True)
    expected = np.divide(visible, total, out=np.zeros_like(visible), where=total > 0)
    output, weights = call_with_weights(layer, [QUERY, VALUE], attention_mask=mask)
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    np.testing.assert_allclose(
        call_layer(layer, [QUERY, VALUE], attention_mask=mask), output, atol=1e-6
    )


def test_key_masked_in_all_heads_may_be_nan():
    layer, value = MultiHeadAttention(2, 4), VALUE.copy()
    expected = call_layer(layer, [QUERY, value], attention_mask=MASK)
    value[:, 3] = np.nan
    actual = call_layer(layer, [QUERY, value], attention_mask=MASK)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_head_mask_combines_with_a_bias():
    layer = MultiHeadAttention(2, 4)
    bias = RNG.normal(size=(2, 4, 5)).astype("float32")
    masking_bias = np.where(MASK, bias, -1e9).astype("float32")
    output, weights = call_with_weights(
        layer, [QUERY, VALUE], attention_mask=MASK, attention_bias=bias
    )
    expected, expected_weights = call_with_weights(
        layer,
        [QUERY, VALUE],
        attention_mask=MASK.any(1),
        attention_bias=masking_bias,
    )
    is_visible = MASK.any(-1)
    np.testing.assert_allclose(weights[is_visible], expected_weights[is_visible], atol=1e-6)
    in_all_heads = is_visible.all(1)
    np.testing.assert_allclose(output[in_all_heads], expected[in_all_heads], atol=1e-5)


def test_head_mask_of_a_single_query_has_no_query_axis():
    layer = MultiHeadAttention(2, 4)
    for mask in (MASK, MASK[:, :1]):
        actual = call_with_weights(layer, [QUERY[:, 0], VALUE], attention_mask=mask[:, :, 0])
        expected = call_with_weights(layer, [QUERY[:, :1], VALUE], attention_mask=mask[:, :, :1])
        np.testing.assert_allclose(actual[0], expected[0][:, 0], atol=1e-6)
        np.testing.assert_allclose(actual[1], expected[1][:, :, 0], atol=1e-6)


def test_head_mask_with_a_cache_matches_one_call():
    layer, mask = MultiHeadSelfAttention(2, 4), RNG.random((2, 2, 5, 5)) < 0.7
    mask |= np.eye(5, dtype=bool)
    expected = call_layer(layer, VALUE, attention_mask=mask, use_causal_mask=True)
    cache = layer.get_initial_cache(2, 5)
    first, cache = layer(VALUE[:, :3], attention_mask=mask[:, :, :3], cache=cache)
    last, cache = layer(VALUE[:, 3:], attention_mask=mask[:, :, 3:], cache=cache)
    actual = ops.convert_to_numpy(ops.concatenate([first, last], 1))
    np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 2, 4, 1, 5), (2, 2, 3, 5)])
def test_head_mask_of_the_wrong_shape_is_refused(shape):
    layer = MultiHeadAttention(2, 4)
    inputs = [keras.Input(batch_shape=x.shape) for x in (QUERY, VALUE)]
    symbolic = keras.Input(batch_shape=shape, dtype="bool")
    for arguments in (([QUERY, VALUE], np.ones(shape, bool)), (inputs, symbolic)):
        with pytest.raises(ValueError, match="Expected `attention_mask` broadcastable to"):
            layer(arguments[0], attention_mask=arguments[1])


def test_padding_mask_of_rank_4_works_in_a_block_and_in_a_functional_model():
    block = TransformerEncoderBlock(2, 6, key_dim=4)
    x = keras.Input((None, 8))
    mask = keras.Input((1, 1, None), dtype="bool")
    model = keras.Model([x, mask], block(x, attention_mask=mask))
    padding = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0]], bool)
    np.testing.assert_allclose(
        call_layer(model, [VALUE, padding[:, None, None]]),
        call_layer(block, VALUE, attention_mask=padding[:, None]),
        atol=1e-6,
    )
