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
