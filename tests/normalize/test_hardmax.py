import numpy as np
from keras import ops

from keras_attention.normalize import hardmax
from tests.gradients import gradients


def compute_weights(scores, mask=None):
    return ops.convert_to_numpy(hardmax(np.array(scores, "float32"), mask))


def test_highest_score_gets_all_weight():
    weights = compute_weights([[1, 3, 2], [-1, -5, -0.5]])
    np.testing.assert_array_equal(weights, [[0, 1, 0], [0, 0, 1]])


def test_first_of_equal_scores_gets_all_weight():
    np.testing.assert_array_equal(compute_weights([[0, 3, 1, 3, 3]]), [[0, 1, 0, 0, 0]])


def test_highest_visible_score_gets_all_weight():
    weights = compute_weights([[1, 3, 2]], np.array([[True, False, True]]))
    np.testing.assert_array_equal(weights, [[0, 0, 1]])


def test_hardmax_has_no_gradient():
    scores = np.array([[1.0, 3.0, 2.0]], "float32")
    (gradient,) = gradients(lambda s: ops.sum(hardmax(s) * 5) + 0 * ops.sum(s), [scores])
    np.testing.assert_array_equal(gradient, 0)
