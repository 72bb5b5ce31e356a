import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.layers.call_arguments.inputs import (
    check_shapes,
    split_inputs,
    split_masks,
)
from keras_attention.layers.call_arguments.shapes import split_shapes

QUERY, VALUE, KEY = np.zeros((2, 3, 5)), np.zeros((2, 7, 11)), np.zeros((2, 7, 13))
QUERY_MASK, VALUE_MASK, KEY_MASK = (
    np.random.default_rng(0).random(shape) < 0.5 for shape in [(2, 3), (2, 7), (2, 7)]
)


def numpy_masks(mask, inputs):
    return [None if m is None else ops.convert_to_numpy(m) for m in split_masks(mask, inputs)]


def test_one_tensor_is_query_value_and_key():
    assert all(x is VALUE for x in split_inputs(VALUE))


@pytest.mark.parametrize("kind", [list, tuple])
def test_list_of_inputs_is_query_value_and_optional_key(kind):
    for inputs, expected in [
        ([QUERY, VALUE], [QUERY, VALUE, VALUE]),
        ([QUERY, VALUE, KEY], [QUERY, VALUE, KEY]),
    ]:
        assert all(a is b for a, b in zip(split_inputs(kind(inputs)), expected, strict=True))


def test_symbolic_inputs_are_split():
    query, value = keras.KerasTensor((None, None, 5)), keras.KerasTensor((None, None, 11))
    assert split_inputs([query, value])[2] is value


@pytest.mark.parametrize("inputs", [[QUERY], [QUERY, VALUE, KEY, KEY], []])
def test_wrong_number_of_inputs_is_refused(inputs):
    with pytest.raises(ValueError, match=f"Expected `inputs` .* Received: {len(inputs)} inputs"):
        split_inputs(inputs)


def test_shapes_are_split_like_inputs():
    assert split_shapes((2, 7, 11)) == [(2, 7, 11)] * 3
    assert split_shapes([(2, 3, 5), [2, 7, 11]]) == [(2, 3, 5), (2, 7, 11), (2, 7, 11)]
    assert split_shapes(((2, 5), (2, 7, 11), (2, 7, 13))) == [(2, 5), (2, 7, 11), (2, 7, 13)]
    with pytest.raises(ValueError, match="Expected `inputs` .* Received: shapes"):
        split_shapes([(2, 3, 5)] * 4)


@pytest.mark.parametrize(
    ("query", "value", "key", "message"),
    [
        ((2, 5), (2, 5), (2, 5), r"Expected `inputs` \(batch, T, D\).*return_sequences=True"),
        ((3, 5), (7, 5), (7, 5), r"Expected `inputs` \(batch, T, D\).*Embedding"),
        ((2, 3, 5), (2, 7, 11), (7, 13), "Expected value and key of the same rank"),
        ((5,), (2, 7, 11), (2, 7, 11), "Expected a query"),
        ((2, 1, 3, 5), (2, 7, 11), (2, 7, 11), "Expected a query"),
        ((2, 3, 5), (2, 7, 11), (2, 5, 11), "Expected as many keys as values"),
        ((2, 3, 5), (3, 7, 11), (3, 7, 11), "Expected the same batch"),
        ((2, 5), (2, 7, 11), (3, 7, 11), "Expected the same batch"),
        ((2, 3, None), (2, 7, 11), (2, 7, 11), "known last dimension"),
        ((2, 3, 5), (2, 7, None), (2, 7, 11), "known last dimension"),
    ],
)
def test_mismatched_shapes_are_refused(query, value, key, message):
    with pytest.raises(ValueError, match=message) as refusal:
        check_shapes(query, value, key)
    assert f"Received: query {query}, value {value}, key {key}" in str(refusal.value)


@pytest.mark.parametrize("length", [7, None])
def test_unknown_dimensions_are_accepted(length):
    check_shapes((None, None, 5), (None, length, 11), (None, None, 13))
    check_shapes((None, 5), (None, None, 11), (None, length, 13))


def test_mask_of_one_tensor_applies_to_queries_and_keys():
    for actual in numpy_masks(VALUE_MASK, VALUE):
        np.testing.assert_array_equal(actual, VALUE_MASK)
    assert numpy_masks(None, VALUE) == [None, None]


@pytest.mark.parametrize("kind", [list, tuple])
def test_masks_have_the_order_of_the_inputs(kind):
    inputs = kind([QUERY, VALUE])
    query_mask, key_mask = numpy_masks(kind([QUERY_MASK, VALUE_MASK]), inputs)
    np.testing.assert_array_equal(query_mask, QUERY_MASK)
    np.testing.assert_array_equal(key_mask, VALUE_MASK)
    assert numpy_masks(kind([None, None]), inputs) == [None, None]
    assert numpy_masks(kind([QUERY_MASK, None]), inputs)[1] is None
    assert numpy_masks(kind([None, VALUE_MASK]), inputs)[0] is None


def test_value_mask_and_key_mask_are_combined_by_and():
    inputs = [QUERY, VALUE, KEY]
    for value_mask, key_mask, expected in [
        (VALUE_MASK, KEY_MASK, VALUE_MASK & KEY_MASK),
        (VALUE_MASK, None, VALUE_MASK),
        (None, KEY_MASK, KEY_MASK),
    ]:
        _, actual = numpy_masks([None, value_mask, key_mask], inputs)
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("dtype", ["int32", "float32", "bool"])
def test_numeric_masks_are_cast_to_bool(dtype):
    actual = numpy_masks([QUERY_MASK.astype(dtype), VALUE_MASK.astype(dtype)], [QUERY, VALUE])
    for result, correct in zip(actual, [QUERY_MASK, VALUE_MASK], strict=True):
        assert result.dtype == bool
        np.testing.assert_array_equal(result, correct)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([VALUE_MASK, None], r"`query_mask` of shape \(2, 3\). .* of shape \(2, 7\)"),
        ([None, QUERY_MASK], r"`value_mask` of shape \(2, 7\). .* of shape \(2, 3\)"),
        ([None, None, QUERY_MASK], r"`key_mask` of shape \(2, 7\). .* of shape \(2, 3\)"),
        ([None, np.ones((2, 3, 5), bool)], r"`value_mask` broadcastable to shape \(2, 3, 7\)"),
        ([None, np.ones((2, 5, 7), bool)], r"`value_mask` broadcastable to shape \(2, 3, 7\)"),
    ],
)
def test_mask_of_the_wrong_shape_is_refused(mask, message):
    with pytest.raises(ValueError, match=message):
        split_masks(mask, [QUERY, VALUE, KEY])


def test_pair_mask_and_key_mask_are_combined():
    pairs = np.random.default_rng(1).random((2, 3, 7)) < 0.5
    for mask in ([None, pairs, KEY_MASK], [None, KEY_MASK, pairs]):
        _, actual = numpy_masks(mask, [QUERY, VALUE, KEY])
        np.testing.assert_array_equal(actual, pairs & KEY_MASK[:, None])


def test_list_of_masks_for_one_tensor_is_refused():
    with pytest.raises(ValueError, match="Expected `mask` to be one tensor .* a list of 2"):
        split_masks([VALUE_MASK, VALUE_MASK], VALUE)


@pytest.mark.parametrize("mask", [VALUE_MASK, [VALUE_MASK], [VALUE_MASK] * 4])
def test_list_of_inputs_needs_a_list_of_two_or_three_masks(mask):
    with pytest.raises(ValueError, match=r"Expected `mask` to be a list \[query_mask, value_mask"):
        split_masks(mask, [QUERY, VALUE])
