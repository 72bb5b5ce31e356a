import numpy as np
from keras import ops

from keras_attention.mask import padding

QUERY_MASK, KEY_MASK = np.array([[True, False]]), np.array([[True, True, False]])


def test_without_masks_the_mask_is_none():
    assert padding() is None


def test_padded_key_is_masked_for_all_queries():
    mask = ops.convert_to_numpy(padding(key_mask=KEY_MASK))
    np.testing.assert_array_equal(mask, [[[True, True, False]]])


def test_padded_query_is_fully_masked():
    mask = ops.convert_to_numpy(padding(query_mask=QUERY_MASK))
    np.testing.assert_array_equal(mask, [[[True], [False]]])


def test_query_and_key_mask_give_a_matrix_per_sequence():
    mask = ops.convert_to_numpy(padding(QUERY_MASK, KEY_MASK))
    np.testing.assert_array_equal(mask, [[[True, True, False], [False, False, False]]])


def test_additional_leading_axes_are_kept():
    rng = np.random.default_rng(0)
    query_mask, key_mask = rng.random((2, 3, 5)) < 0.5, rng.random((2, 3, 7)) < 0.5
    mask = ops.convert_to_numpy(padding(query_mask, key_mask))
    for index in np.ndindex(2, 3, 5, 7):
        assert mask[index] == (query_mask[index[:3]] and key_mask[(*index[:2], index[3])])
