import numpy as np
import pytest
from keras import ops

from keras_attention.mask import causal, combine, window
from tests import reference


def parse_mask(*rows):
    return [[sign == "x" for sign in row] for row in rows]


def test_neighbors_on_either_side_are_visible():
    expected = parse_mask("xx..", "xxx.", ".xxx", "..xx")
    np.testing.assert_array_equal(ops.convert_to_numpy(window(4, 4, width=1)), expected)


def test_window_is_aligned_to_the_lower_right():
    expected = parse_mask(".xxx.", "..xxx", "...xx")
    np.testing.assert_array_equal(ops.convert_to_numpy(window(3, 5, width=1)), expected)


def test_width_of_zero_leaves_only_the_querys_own_position_visible():
    np.testing.assert_array_equal(
        ops.convert_to_numpy(window(5, 5, width=0)), np.eye(5, dtype=bool)
    )


@pytest.mark.parametrize("width", [5, 7, 1000])
def test_window_wider_than_the_sequence_masks_nothing(width):
    assert ops.convert_to_numpy(window(3, 5, width)).all()


def test_with_a_causal_mask_only_past_keys_are_visible():
    expected = parse_mask("x...", "xx..", ".xx.", "..xx")
    combined = combine(window(4, 4, width=1), causal(4, 4))
    np.testing.assert_array_equal(ops.convert_to_numpy(combined), expected)


def test_negative_width_is_refused():
    with pytest.raises(
        ValueError, match="`width` to be an integer of at least 0 .* Received: width=-1"
    ):
        window(3, 3, width=-1)


@pytest.mark.parametrize("queries", [1, 2, 5])
@pytest.mark.parametrize("keys", [1, 3, 7])
@pytest.mark.parametrize("width", [0, 1, 2, 5])
def test_matches_the_formula_for_all_sizes(queries, keys, width):
    mask = ops.convert_to_numpy(window(queries, keys, width))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, reference.window(queries, keys, width))
