import numpy as np
import pytest
from keras import ops

from keras_attention import normalize
from tests import reference_sequential


def compute(scores, mask=None):
    return ops.convert_to_numpy(normalize.smooth(np.array([scores], "float32"), mask))[0]


def test_hand_computed_weights():
    np.testing.assert_allclose(compute([0.0, 0.0]), [0.5, 0.5])
    np.testing.assert_allclose(compute([np.log(3), 0.0]), [0.6, 0.4], atol=1e-6)
    np.testing.assert_allclose(compute([50.0, 60.0]), [0.5, 0.5], atol=1e-6)


def test_weights_equal_the_formula():
    rng = np.random.default_rng(0)
    scores, visible = rng.normal(0, 3, size=9), rng.uniform(size=9) < 0.6
    expected = reference_sequential.smooth(scores, visible)
    np.testing.assert_allclose(compute(scores, visible[None]), expected, atol=1e-6)


@pytest.mark.parametrize("score", [-1e38, -500.0, -88.0])
def test_very_negative_scores_are_normalized(score):
    np.testing.assert_allclose(compute([score, score, score]), [1 / 3] * 3, atol=1e-6)


def test_name_is_that_of_the_function():
    assert normalize.get("smooth") is normalize.smooth
    assert normalize.serialize(normalize.smooth) == "smooth"
