import numpy as np
import pytest
from keras import ops

from keras_attention.mask import causal
from tests import reference


def parse_mask(*rows):
    return [[sign == "x" for sign in row] for row in rows]


def test_later_keys_are_masked():
    expected = parse_mask("x..", "xx.", "xxx")
    np.testing.assert_array_equal(ops.convert_to_numpy(causal(3, 3)), expected)


def test_earlier_keys_are_visible_to_all_queries():
    expected = parse_mask("xxx..", "xxxx.", "xxxxx")
    np.testing.assert_array_equal(ops.convert_to_numpy(causal(3, 5)), expected)


def test_queries_before_the_first_key_are_fully_masked():
    expected = parse_mask("..", "..", "x.", "xx")
    np.testing.assert_array_equal(ops.convert_to_numpy(causal(4, 2)), expected)


def test_all_keys_are_visible_to_a_single_query():
    assert ops.convert_to_numpy(causal(1, 7)).all()


@pytest.mark.parametrize("queries", [1, 2, 5, 11])
@pytest.mark.parametrize("keys", [1, 3, 7, 13])
def test_matches_the_formula_for_all_sizes(queries, keys):
    mask = ops.convert_to_numpy(causal(queries, keys))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, reference.causal(queries, keys))
