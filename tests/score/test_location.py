import numpy as np
import pytest
from keras import ops

from keras_attention import Attention
from keras_attention.score import LocationScore

QUERY = np.array([[[1.0, 2.0], [0.0, -1.0]]], "float32")
KERNEL = np.array([[1, 2, 3], [10, 20, 30]])


def scores(keys):
    score = LocationScore(max_length=3)
    key = np.full((1, keys, 5), np.nan, "float32")
    score(QUERY, key)
    score.set_weights([KERNEL])
    return score, ops.convert_to_numpy(score(QUERY, key))[0]


@pytest.mark.parametrize("keys", [1, 2, 3])
def test_short_sequence_uses_the_first_positions_whatever_its_contents(keys):
    score, results = scores(keys)
    np.testing.assert_array_equal(results, np.array([[21, 42, 63], [-10, -20, -30]])[:, :keys])
    assert ops.convert_to_numpy(score.covers(np.ones((1, keys, 5)))).all()


def test_keys_beyond_max_length_are_not_covered():
    score, results = scores(5)
    np.testing.assert_array_equal(results[:, :3], [[21, 42, 63], [-10, -20, -30]])
    covered = ops.convert_to_numpy(score.covers(np.ones((1, 5, 5))))
    np.testing.assert_array_equal(covered, [[True, True, True, False, False]])


def test_keys_beyond_max_length_get_zero_weight():
    value = np.random.default_rng(0).normal(size=(1, 5, 7)).astype("float32")
    layer = Attention(LocationScore(max_length=3))
    context, weights = layer([QUERY, value], return_attention_scores=True)
    np.testing.assert_array_equal(ops.convert_to_numpy(weights)[..., 3:], 0)
    np.testing.assert_allclose(ops.convert_to_numpy(weights).sum(-1), 1, atol=1e-6)
    value[:, 3:] = np.nan
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (layer([QUERY, value]), context)))


@pytest.mark.parametrize("max_length", [0, None, 2.5, "7"])
def test_max_length_must_be_a_positive_integer(max_length):
    message = f"`max_length` to be an integer of at least 1. Received: max_length={max_length!r}"
    with pytest.raises(ValueError, match=message):
        LocationScore(max_length=max_length)
