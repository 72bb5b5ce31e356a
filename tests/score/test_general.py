import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.score import DotScore, GeneralScore


def test_kernel_weighs_pairs_of_components():
    score = GeneralScore()
    query, key = np.array([[[2.0, 3.0]]], "float32"), np.array([[[5.0, 7.0, 11.0]]], "float32")
    score(query, key)
    score.set_weights([np.array([[0, 0, 1], [0, -1, 0]])])
    assert ops.convert_to_numpy(score(query, key)).item() == 2 * 11 - 3 * 7


def test_identity_kernel_gives_the_dot_product():
    rng = np.random.default_rng(0)
    query, key = (rng.normal(size=(2, n, 5)).astype("float32") for n in (3, 7))
    general = GeneralScore(kernel_initializer="identity")(query, key)
    dot = DotScore()(query, key)
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (general, dot)), atol=1e-6)


def test_kernel_has_an_initializer_and_a_regularizer():
    score = GeneralScore(kernel_initializer="ones", kernel_regularizer=keras.regularizers.L2(0.5))
    score(np.ones((1, 1, 2), "float32"), np.ones((1, 1, 3), "float32"))
    np.testing.assert_array_equal(score.get_weights()[0], np.ones((2, 3)))
    assert float(ops.convert_to_numpy(score.losses[0])) == pytest.approx(0.5 * 6)


def test_scale_multiplies_the_scores_and_is_initially_one():
    score = GeneralScore(use_scale=True)
    query, key = np.array([[[2.0, 3.0]]], "float32"), np.array([[[5.0, 7.0]]], "float32")
    score(query, key)
    assert [(w.name, w.shape) for w in score.weights] == [("kernel", (2, 2)), ("scale", ())]
    score.kernel.assign(np.eye(2))
    assert ops.convert_to_numpy(score(query, key)).item() == 2 * 5 + 3 * 7
    score.scale.assign(-0.5)
    assert ops.convert_to_numpy(score(query, key)).item() == -0.5 * (2 * 5 + 3 * 7)


def test_config_of_an_earlier_version_has_no_scale():
    config = GeneralScore().get_config()
    del config["use_scale"]
    assert GeneralScore.from_config(config).use_scale is False
