import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.score import AdditiveScore
from tests.gradients import gradients

QUERY = np.array([[[1.0, -1.0]]], "float32")
KEY = np.array([[[2.0], [0.0]]], "float32")


def test_score_equals_a_hidden_layer_by_hand():
    score = AdditiveScore(units=2, use_bias=True)
    score(QUERY, KEY)
    weights = [[1, 2], [0, 1]], [[3, 0]], [1, 10], [0, 0.5]
    score.set_weights(list(map(np.array, weights)))
    scores = ops.convert_to_numpy(score(QUERY, KEY))[0, 0]
    expected = [math.tanh(7) + 10 * math.tanh(1.5), math.tanh(1) + 10 * math.tanh(1.5)]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_weights_are_in_the_documented_order():
    score = AdditiveScore(units=3, use_bias=True)
    score(QUERY, KEY)
    assert [(w.name, w.shape) for w in score.weights] == [
        ("query_kernel", (2, 3)),
        ("key_kernel", (1, 3)),
        ("scale", (3,)),
        ("bias", (3,)),
    ]


def test_default_units_are_the_width_of_the_query():
    score = AdditiveScore()
    score(QUERY, KEY)
    assert [w.shape for w in score.weights] == [(2, 2), (1, 2), (2,)]


def test_zero_scale_gives_equal_scores():
    scores = AdditiveScore(units=3, scale_initializer="zeros")(QUERY, KEY)
    np.testing.assert_array_equal(ops.convert_to_numpy(scores), 0)


def test_shared_initializer_gives_different_kernels():
    score = AdditiveScore(units=5, kernel_initializer=keras.initializers.RandomNormal())
    score(np.ones((1, 1, 3), "float32"), np.ones((1, 1, 3), "float32"))
    query_kernel, key_kernel, _ = score.get_weights()
    assert np.abs(query_kernel - key_kernel).max() > 0.01


def test_initializer_can_be_a_function():
    def threes(shape, dtype=None):
        return ops.full(shape, 3.0, dtype)

    score = AdditiveScore(units=1, kernel_initializer=threes, scale_initializer="ones")
    expected = [math.tanh(3 - 3 + 6), math.tanh(3 - 3 + 0)]
    np.testing.assert_allclose(ops.convert_to_numpy(score(QUERY, KEY))[0, 0], expected, rtol=1e-6)


def test_both_kernels_are_regularized():
    score = AdditiveScore(units=3, kernel_initializer="ones", kernel_regularizer="l2")
    score(QUERY, KEY)
    assert sum(map(float, map(ops.convert_to_numpy, score.losses))) == pytest.approx(0.01 * (6 + 3))


@pytest.mark.parametrize("units", [0, -3, 2.0, "3", True])
def test_units_must_be_a_positive_integer(units):
    message = f"Expected `units` to be an integer of at least 1 or None. Received: units={units!r}"
    with pytest.raises(ValueError, match=message):
        AdditiveScore(units=units)


def build_normalized(units=4, **options):
    score = AdditiveScore(units=units, normalized=True, **options)
    score(QUERY, KEY)
    return score


def test_normalized_gain_is_the_length_of_the_scale():
    score = build_normalized()
    assert [(w.name, w.shape) for w in score.weights] == [
        ("query_kernel", (2, 4)),
        ("key_kernel", (1, 4)),
        ("scale", (4,)),
        ("gain", ()),
    ]
    assert np.linalg.norm(ops.convert_to_numpy(score.compute_scale())) == pytest.approx(0.5)
    score.gain.assign(-3.0)
    assert np.linalg.norm(ops.convert_to_numpy(score.compute_scale())) == pytest.approx(3.0)


@pytest.mark.parametrize("factor", [1e-3, 100.0])
def test_length_of_a_normalized_scale_does_not_matter(factor):
    score = build_normalized()
    expected = ops.convert_to_numpy(score(QUERY, KEY))
    score.scale.assign(ops.convert_to_numpy(score.scale) * factor)
    np.testing.assert_allclose(ops.convert_to_numpy(score(QUERY, KEY)), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_normalized_scale_of_zeros_gives_zero_scores_and_finite_gradients(dtype):
    score = build_normalized(scale_initializer="zeros", dtype=dtype)
    query, key = QUERY.astype(dtype), KEY.astype(dtype)
    np.testing.assert_array_equal(ops.convert_to_numpy(score(query, key)), 0)
    results = gradients(lambda q, k: ops.sum(score(q, k)), [query, key])
    assert all(np.isfinite(g).all() for g in results)


def test_normalized_scale_of_float16_weights_is_computed_in_float32():
    score = build_normalized(units=300, scale_initializer="ones", dtype="float16")
    score.scale.assign(np.full(300, 200.0))  # the sum of squares is 1.2e7, beyond float16
    scale = ops.convert_to_numpy(score.compute_scale())
    np.testing.assert_allclose(scale, 300**-0.5 * np.full(300, 300**-0.5), rtol=1e-3)


def test_config_of_an_earlier_version_is_not_normalized():
    config = AdditiveScore(units=3).get_config()
    del config["normalized"]
    assert AdditiveScore.from_config(config).normalized is False
