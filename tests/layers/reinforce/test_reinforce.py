"""REINFORCE in a custom training loop."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import HardAttention, reinforce
from keras_attention.layers.reinforce.reinforce import credit
from tests.gradients import gradients

BATCH, QUERIES, KEYS, WIDTH = 6, 3, 5, 2
RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(BATCH, QUERIES, WIDTH)).astype("float32")
VALUE = RNG.normal(size=(BATCH, KEYS, WIDTH)).astype("float32")


def test_custom_loop_gets_costs_times_the_score_function():
    layer, costs = HardAttention("dot", expectation_rate=0.0, seed=5), np.arange(BATCH) - 2.0

    def run(query):
        with keras.StatelessScope(collect_losses=True):  # in this scope the seed does not change
            context = layer([query, VALUE], training=True)
            return context, reinforce(layer.losses, costs, -1.0, reward_weight=2, entropy_weight=0)

    context, value = run(ops.convert_to_tensor(QUERY))
    assert float(value) == 0
    _, weights = layer([QUERY, VALUE], return_attention_scores=True)
    sampled_minus_expected = ops.convert_to_numpy(context) - ops.convert_to_numpy(weights) @ VALUE
    [actual] = gradients(lambda query: run(query)[1], [QUERY])
    np.testing.assert_allclose(
        actual, 2 * (costs - 1)[:, None, None] * sampled_minus_expected / BATCH, atol=1e-5
    )


def test_costs_of_another_shape_are_refused_and_other_losses_ignored():
    with pytest.raises(ValueError, match=r"Expected `cost` of shape \(batch,\)"):
        reinforce([], ops.ones((2, 3)))
    with pytest.raises(ValueError, match=r"`cost` to have the batch size.*shape \(3,\).*\[2\]"):
        reinforce([credit(ops.ones((2,)), ops.ones((2,)))], ops.ones((3,)))
    other_losses = [ops.ones(()), ops.ones((2,)), ops.ones((2, 2, 2)), ops.ones((2, 3, 2, 2))]
    assert float(reinforce(other_losses, ops.ones((2,)))) == 0


def test_a_layer_with_its_own_baseline_gets_the_gradients_of_policy_and_squared_error():
    """Policy: (cost + b) grad log p; baseline: the gradient of (reward - b)^2 / 2."""
    costs = np.array([2.0, -1.0, 0.5], "float32")
    log_probabilities, baselines = RNG.normal(size=(2, 3, 4)).astype("float32")

    def term(log_probability, baseline):
        with_cost = ops.sum(3.0 * log_probability + baseline, axis=1)
        fixed = ops.stop_gradient(baseline)
        without_cost = ops.sum(3.0 * fixed * log_probability + baseline**2 / 2, axis=1)
        tensor = credit(with_cost=with_cost, without_cost=without_cost)
        # Neither the model's baseline nor its weights apply to such a layer.
        return reinforce([tensor], costs, baseline=7.0, reward_weight=9.0, entropy_weight=5.0)

    policy, regression = gradients(term, [log_probabilities, baselines])
    advantage = (costs[:, None] + baselines) / 3
    np.testing.assert_allclose(policy, 3 * advantage, rtol=1e-5)
    np.testing.assert_allclose(regression, advantage, rtol=1e-5)


def test_examples_that_are_not_counted_have_no_gradient():
    def term(x):
        tensor = credit(x, 2 * x, 3 * x, 4 * x)
        return reinforce([tensor], np.ones(3, "float32"), is_counted=np.array([True, False, True]))

    [gradient] = gradients(term, [np.ones(3, "float32")])
    assert gradient[1] == 0 and np.all(gradient[[0, 2]] != 0)
