import numpy as np
import pytest
from keras import ops

from keras_attention.score import DotScore

QUERY = np.array([[[1.0, 2.0], [0.0, -3.0]]], "float32")
KEY = np.array([[[1.0, 0.0], [2.0, 5.0], [0.0, 1.0]]], "float32")


def test_score_is_the_dot_product():
    scores = ops.convert_to_numpy(DotScore()(QUERY, KEY))
    np.testing.assert_array_equal(scores, [[[1, 12, 2], [0, -15, -3]]])


def test_scaled_divides_by_the_square_root_of_the_width():
    query, key = np.ones((1, 1, 9), "float32"), np.ones((1, 1, 9), "float32")
    scores = ops.convert_to_numpy(DotScore(scaled=True)(query, key))
    assert scores.item() == pytest.approx(9 / 3)


def test_use_scale_learns_one_number_that_is_initially_one():
    score = DotScore(use_scale=True)
    plain = ops.convert_to_numpy(DotScore()(QUERY, KEY))
    np.testing.assert_array_equal(ops.convert_to_numpy(score(QUERY, KEY)), plain)
    (scale,) = score.trainable_weights
    scale.assign(-0.5)
    np.testing.assert_array_equal(ops.convert_to_numpy(score(QUERY, KEY)), -0.5 * plain)


def test_without_use_scale_there_are_no_weights():
    score = DotScore(scaled=True)
    score(QUERY, KEY)
    assert score.weights == []


def test_different_widths_are_refused():
    with pytest.raises(ValueError, match=r"same width .*query_shape=\(1, 2, 2\), key_shape=\(1, 3"):
        DotScore()(QUERY, np.ones((1, 3, 5), "float32"))


@pytest.mark.parametrize("name", ["scaled", "use_scale"])
def test_option_must_be_a_bool(name):
    with pytest.raises(ValueError, match=f"`{name}` to be True or False. Received: {name}='yes'"):
        DotScore(**{name: "yes"})
