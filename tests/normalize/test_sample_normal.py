"""Normal samples: their log-density against the formula, and no gradient to the mean."""

import math

import numpy as np
from keras import ops

from keras_attention.normalize import sample_normal
from tests.gradients import gradients


def test_log_probability_equals_the_formula_and_its_gradient():
    rng = np.random.default_rng(0)
    mean, noise = rng.normal(size=(2, 3, 2)).astype("float32")
    drawn = ops.convert_to_numpy(sample_normal.draw(mean, 0.3, noise))
    np.testing.assert_allclose(drawn, mean + 0.3 * noise, rtol=1e-6)
    actual = ops.convert_to_numpy(sample_normal.log_probability(mean, 0.3, drawn))
    expected = (-(noise**2) / 2 - math.log(0.3 * math.sqrt(2 * math.pi))).sum(-1)
    np.testing.assert_allclose(actual, expected, rtol=1e-4)

    def log_probability(mean):
        return ops.sum(
            sample_normal.log_probability(mean, 0.3, sample_normal.draw(mean, 0.3, noise))
        )

    [gradient] = gradients(log_probability, [mean])
    np.testing.assert_allclose(gradient, noise / 0.3, rtol=1e-3)
