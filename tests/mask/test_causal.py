import numpy as np
import pytest
from keras import ops

from keras_attention.mask import causal
from tests import reference


def written_out(*rows):
    return [[sign == "x" for sign in row] for row in rows]


def test_as_many_keys_as_queries_see_no_future():
    expected = written_out("x..", "xx.", "xxx")
    np.testing.assert_array_equal(ops.convert_to_numpy(causal(3, 3)), expected)


def test_earlier_keys_are_seen_by_all_queries():
    expected = written_out("xxx..", "xxxx.", "xxxxx")
    np.testing.assert_array_equal(ops.convert_to_numpy(causal(3, 5)), expected)


def test_queries_before_the_first_key_see_nothing():
    expected = written_out("..", "..", "x.", "xx")
    np.testing.assert_array_equal(ops.convert_to_numpy(causal(4, 2)), expected)


def test_one_query_is_the_last_and_sees_everything():
    assert ops.convert_to_numpy(causal(1, 7)).all()


@pytest.mark.parametrize("queries", [1, 2, 5, 11])
@pytest.mark.parametrize("keys", [1, 3, 7, 13])
def test_it_is_the_formula_for_all_sizes(queries, keys):
    mask = ops.convert_to_numpy(causal(queries, keys))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, reference.causal(queries, keys))
