import math

import numpy as np
import pytest
from keras import ops

from keras_attention.normalize import softmax


def compute_weights(scores, mask=None):
    return ops.convert_to_numpy(softmax(np.array(scores, "float32"), mask))


def test_two_keys_match_hand_computed_weights():
    expected = [[1 / (1 + math.e), math.e / (1 + math.e)]]
    np.testing.assert_allclose(compute_weights([[0, 1]]), expected, rtol=1e-6)


def test_masked_third_key_does_not_change_the_other_weights():
    weights = compute_weights([[0, 1, 9]], np.array([[True, True, False]]))
    np.testing.assert_allclose(weights, [[1 / (1 + math.e), math.e / (1 + math.e), 0]], rtol=1e-6)


@pytest.mark.parametrize("keys", [1, 2, 7, 1009])
def test_equal_scores_give_equal_weights(keys):
    np.testing.assert_allclose(compute_weights(np.zeros((1, keys))), 1 / keys, rtol=1e-6)


def test_masks_broadcast_over_sequences_and_queries():
    scores, mask = np.zeros((2, 3, 4)), np.array([True, False, True, False])
    np.testing.assert_array_equal(compute_weights(scores, mask), np.full((2, 3, 4), mask / 2))
    visible_rows = np.array([[True], [False], [True]])
    expected = np.broadcast_to(visible_rows / 4, (2, 3, 4))
    np.testing.assert_array_equal(compute_weights(scores, visible_rows), expected)


def test_two_infinite_scores_share_the_weight():
    np.testing.assert_array_equal(
        compute_weights([[np.inf, 0, np.inf, -np.inf]]), [[0.5, 0, 0.5, 0]]
    )


def test_row_of_minus_infinities_has_equal_weights():
    np.testing.assert_array_equal(compute_weights([[-np.inf, -np.inf]]), [[0.5, 0.5]])
