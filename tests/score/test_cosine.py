import numpy as np
import pytest
from keras import ops

from keras_attention.score import CosineScore
from tests.gradients import gradients

EAST, NORTH, NORTH_EAST = [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]


def scores(query, key, strength=10.0):
    query, key = (np.array([x], "float32") for x in (query, key))
    return ops.convert_to_numpy(CosineScore(strength=strength)(query, key))[0]


def test_score_depends_on_the_angle():
    west = [-1.0, 0.0]
    results = scores([EAST], [EAST, NORTH, NORTH_EAST, west], strength=4.0)
    np.testing.assert_allclose(results, [[4, 0, 4 / 2**0.5, -4]], atol=1e-5)


@pytest.mark.parametrize("length", [1e-5, 1e-3, 1e3, 1e12])
def test_score_does_not_depend_on_lengths(length):
    actual = scores(np.multiply([NORTH_EAST], length), np.multiply([EAST, NORTH_EAST], length))
    np.testing.assert_allclose(actual, scores([NORTH_EAST], [EAST, NORTH_EAST]), rtol=1e-5)


@pytest.mark.parametrize("strength", [1.001, 2, 10.0, 1000.0])
def test_initial_strength_is_the_argument(strength):
    assert scores([EAST], [EAST], strength)[0, 0] == pytest.approx(strength, rel=1e-5)


def test_strength_stays_above_one_for_any_weight():
    score = CosineScore()
    vector = np.array([[EAST]], "float32")
    score(vector, vector)
    score.set_weights([np.array(-5.0)])
    assert 1 < ops.convert_to_numpy(score(vector, vector)).item() < 1.01


def test_zero_vector_scores_zero_with_finite_gradients():
    query, key = np.zeros((1, 1, 2), "float32"), np.array([[EAST, [0.0, 0.0]]], "float32")
    score = CosineScore(strength=3)
    np.testing.assert_array_equal(ops.convert_to_numpy(score(query, key)), 0)
    results = gradients(lambda q, k: ops.sum(score(q, k) ** 2 + score(q, k)), [query, key])
    assert all(np.isfinite(g).all() for g in results)


def test_different_widths_are_refused():
    with pytest.raises(ValueError, match=r"same width .*query_shape=\(1, 2, 2\), key_shape=\(1, 3"):
        CosineScore()(np.ones((1, 2, 2), "float32"), np.ones((1, 3, 5), "float32"))


@pytest.mark.parametrize("strength", [1, 0.5, -3, "ten", True])
def test_strength_must_be_above_one(strength):
    message = f"`strength` to be a number above 1. Received: strength={strength!r}"
    with pytest.raises(ValueError, match=message):
        CosineScore(strength=strength)
