import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import Attention
from keras_attention.mask.structured_mask import build_structured_mask
from tests import reference

RNG = np.random.default_rng(0)
QUERY, KEY = (
    RNG.normal(size=(2, 3, 5)).astype("float32"),
    RNG.normal(size=(2, 7, 5)).astype("float32"),
)
QUERY_MASK, KEY_MASK = RNG.random((2, 3)) < 0.7, RNG.random((2, 7)) < 0.7
PAIRS = RNG.random((2, 3, 7)) < 0.7


def build_dense_mask(query, key, **masks):
    return build_structured_mask(query, key, **masks).dense()


def broadcast_dense_mask(query=QUERY, key=KEY, **masks):
    return np.broadcast_to(ops.convert_to_numpy(build_dense_mask(query, key, **masks)), (2, 3, 7))


def test_without_masks_the_mask_is_none():
    assert build_dense_mask(QUERY, KEY) is None


def test_all_masks_are_combined_by_and():
    actual = broadcast_dense_mask(
        query_mask=QUERY_MASK, key_mask=KEY_MASK, attention_mask=PAIRS, use_causal_mask=True
    )
    causal = reference.causal(3, 7)
    for b, i, j in np.ndindex(2, 3, 7):
        is_visible = QUERY_MASK[b, i] and KEY_MASK[b, j] and PAIRS[b, i, j] and causal[i, j]
        assert actual[b, i, j] == is_visible


def test_key_mask_of_rank_3_is_a_pair_mask():
    np.testing.assert_array_equal(broadcast_dense_mask(key_mask=PAIRS), PAIRS)
    shared_row = KEY_MASK[:, None]
    expected = np.repeat(shared_row, 3, 1)
    np.testing.assert_array_equal(broadcast_dense_mask(key_mask=shared_row), expected)


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
@pytest.mark.parametrize(
    "mask",
    [PAIRS, PAIRS[:1], PAIRS[0], PAIRS[:, :1], PAIRS[:, :, :1], KEY_MASK[0], np.array([False])],
    ids=lambda mask: str(mask.shape),
)
def test_attention_masks_broadcast_and_may_be_numeric(mask, dtype):
    expected = np.broadcast_to(mask, (2, 3, 7))
    np.testing.assert_array_equal(broadcast_dense_mask(attention_mask=mask.astype(dtype)), expected)
    _, weights = Attention()(
        [QUERY, KEY], attention_mask=mask.astype(dtype), return_attention_scores=True
    )
    np.testing.assert_array_equal(ops.convert_to_numpy(weights) > 0, expected)


@pytest.mark.parametrize("mask", [KEY_MASK, KEY_MASK[:1], KEY_MASK[0]], ids=lambda m: str(m.shape))
def test_attention_mask_of_a_single_query_has_no_query_axis(mask):
    _, weights = Attention()(
        [QUERY[:, 0], KEY],
        mask=[np.array([True, False]), None],
        attention_mask=mask,
        use_causal_mask=True,
        return_attention_scores=True,
    )
    expected = np.broadcast_to(mask, (2, 7)) & [[True], [False]]
    np.testing.assert_array_equal(ops.convert_to_numpy(weights) > 0, expected)


def test_masks_may_have_additional_leading_axes():
    query, key = QUERY[:, None], KEY[:, None]
    actual = build_dense_mask(
        query, key, query_mask=QUERY_MASK[:, None], key_mask=KEY_MASK[:, None]
    )
    expected = broadcast_dense_mask(query_mask=QUERY_MASK, key_mask=KEY_MASK)[:, None]
    np.testing.assert_array_equal(ops.convert_to_numpy(actual), expected)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"attention_mask": QUERY_MASK}, r"`attention_mask` broadcastable to shape \(2, 3, 7\)"),
        ({"attention_mask": PAIRS[None]}, r"Received: attention_mask of shape \(1, 2, 3, 7\)"),
        ({"attention_mask": np.array(True)}, r"Received: attention_mask of shape \(\)"),
    ],
)
def test_attention_mask_of_the_wrong_shape_is_refused(masks, message):
    with pytest.raises(ValueError, match=message):
        build_dense_mask(QUERY, KEY, **masks)


def test_keras_masks_are_combined_with_an_attention_mask():
    steps = np.where(KEY_MASK[..., None], KEY, 0)
    masked = keras.layers.Masking()(steps)
    for options in ({}, {"attention_mask": np.ones((1, 7), bool)}):
        actual = Attention()(masked, return_attention_scores=True, **options)
        visible = ops.convert_to_numpy(actual[1]) > 0
        np.testing.assert_array_equal(visible, KEY_MASK[:, :, None] & KEY_MASK[:, None])
        cross = Attention()([QUERY, masked], return_attention_scores=True, **options)[1]
        np.testing.assert_array_equal(
            ops.convert_to_numpy(cross) > 0, np.repeat(KEY_MASK[:, None], 3, 1)
        )


def test_keras_masks_are_combined_with_an_attention_mask_in_a_model():
    words, pairs = keras.Input((None,), dtype="int32"), keras.Input((None, None), dtype="bool")
    embedded = keras.layers.Embedding(11, 5, mask_zero=True)(words)
    outputs = Attention()(embedded, attention_mask=pairs, return_attention_scores=True)
    model = keras.Model([words, pairs], outputs)
    batch = np.array([[3, 7, 0, 5, 0]])
    weights = ops.convert_to_numpy(model([batch, np.tri(5, dtype=bool)[None]])[1])
    mask = batch > 0
    np.testing.assert_array_equal(
        weights > 0, mask[:, :, None] & mask[:, None] & np.tri(5, dtype=bool)
    )


def test_output_carries_the_query_mask():
    masked = keras.layers.Masking()(np.where(QUERY_MASK[..., None], QUERY, 0).astype("float32"))
    averages = keras.layers.GlobalAveragePooling1D()(Attention()([masked, KEY]))
    context = ops.convert_to_numpy(Attention()([masked, KEY]))
    means = [
        x[m].mean(0) if m.any() else 0 * x[0] for x, m in zip(context, QUERY_MASK, strict=True)
    ]
    np.testing.assert_allclose(ops.convert_to_numpy(averages), means, atol=1e-6)
