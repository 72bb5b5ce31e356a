import math

import numpy as np
import pytest
from keras import ops

from keras_attention.normalize import softmax
from keras_attention.normalize.gaussian import gaussian
from tests.gradients import gradients

DISTANCE = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]], "float32")


def compute_weights(scores, mask=None, distance=DISTANCE, deviation=1.0, **options):
    scores = np.array(scores, "float32")
    return ops.convert_to_numpy(
        gaussian(scores, mask, distance=distance, deviation=deviation, **options)
    )


def test_equal_scores_match_hand_computed_weights():
    bell = np.exp([[-2, -0.5, 0, -0.5, -2]])
    np.testing.assert_allclose(compute_weights(np.zeros((1, 5))), bell / 5, rtol=1e-6)
    renormalized = compute_weights(np.zeros((1, 5)), renormalize=True)
    np.testing.assert_allclose(renormalized, bell / bell.sum(), rtol=1e-6)


def test_factor_at_two_deviations_is_0_135():
    weight = compute_weights([[0.0]], distance=np.array([[5.0]], "float32"), deviation=2.5)
    np.testing.assert_allclose(weight, math.exp(-2), rtol=1e-6)


def test_zero_distance_gives_the_softmax():
    scores = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    expected = ops.convert_to_numpy(softmax(scores))
    actual = compute_weights(scores, distance=np.zeros((1, 5), "float32"))
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("renormalize", [False, True])
def test_weights_are_softmax_times_gaussian(renormalize):
    rng = np.random.default_rng(1)
    scores, distance = (rng.normal(size=(2, 3, 5)).astype("float32") for _ in range(2))
    mask = np.ones((2, 3, 5), bool)
    mask[0, 1, 2:] = mask[1, 2] = False
    expected = ops.convert_to_numpy(softmax(scores, mask)) * np.exp(-(distance**2) / (2 * 0.7**2))
    if renormalize:
        expected /= np.maximum(expected.sum(-1, keepdims=True), 1e-30)
    actual = compute_weights(scores, mask, distance, 0.7, renormalize=renormalize)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(actual[~mask], 0)


def test_renormalized_row_sums_to_one_far_from_every_key():
    far = np.array([[99.0, 100.0]], "float32")
    weights = compute_weights([[0.0, 0.0]], distance=far, renormalize=True)
    np.testing.assert_allclose(weights, [[1, 0]], atol=1e-6)
    np.testing.assert_array_equal(compute_weights([[0.0, 0.0]], distance=far), 0)


def test_gradient_moves_the_center_toward_keys_that_need_more_weight():
    def last_weight(center):
        distance = ops.convert_to_tensor(DISTANCE) - center
        return gaussian(np.zeros((1, 5), "float32"), distance=distance, deviation=1.0)[0, -1]

    (gradient,) = gradients(last_weight, [np.float32(0)])
    np.testing.assert_allclose(gradient, 2 * math.exp(-2) / 5, rtol=1e-5)
