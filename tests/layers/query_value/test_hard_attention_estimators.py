"""Gradient estimators of HardAttention: straight-through, Gumbel-softmax and REINFORCE."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import HardAttention
from keras_attention.layers.reinforce.reinforce import GRADIENT_SCALE
from tests import reference
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match
from tests.gradients import gradients

BATCH, QUERIES, KEYS, WIDTH, VALUES = 11, 3, 5, 2, 7
RNG = np.random.default_rng(0)
QUERY, KEY, VALUE, FACTORS = (
    RNG.normal(size=(BATCH, *shape)).astype("float32")
    for shape in [(QUERIES, WIDTH), (KEYS, WIDTH), (KEYS, VALUES), (QUERIES, VALUES)]
)
NOISE = RNG.gumbel(size=(BATCH, QUERIES, KEYS)).astype("float32")


def attend_with_noise(layer, query, key, noise=NOISE):
    layer.build([QUERY.shape, VALUE.shape, KEY.shape])
    memory = layer.prepare(ops.cast(VALUE, key.dtype), key)
    return layer.attend(query, memory, (ops.convert_to_tensor(noise), None))[0]


def test_straight_through_is_hard_forward_and_soft_backward():
    layer = HardAttention("dot", "straight_through")
    soft = HardAttention("dot", inference="expectation")
    contexts = ops.convert_to_numpy(attend_with_noise(layer, QUERY, ops.convert_to_tensor(KEY)))
    assert (contexts[:, :, None] == VALUE[:, None]).all(-1).any(-1).all()
    hard = gradients(
        lambda q, k: ops.sum(ops.multiply(attend_with_noise(layer, q, k), FACTORS)), [QUERY, KEY]
    )
    expected_outputs = gradients(
        lambda q, k: ops.sum(ops.multiply(soft([q, VALUE, k]), FACTORS)), [QUERY, KEY]
    )
    for result, correct in zip(hard, expected_outputs, strict=True):
        np.testing.assert_allclose(result, correct, atol=1e-5)


def test_gumbel_gradient_is_that_of_the_relaxed_sample():
    layer = HardAttention("dot", "gumbel", temperature=0.7, dtype=GRAD_DTYPE)

    def compute_relaxed(query, key):
        results = 0.0
        for q, k, value, noise, mix in zip(query, key, VALUE, NOISE, FACTORS, strict=True):
            for i, scores in enumerate(reference.dot(q, k)):
                alpha = reference.softmax(scores)
                samples = reference.softmax((np.log(alpha) + noise[i]) / 0.7)
                results += reference.inner(reference.times(samples, value), mix[i])
        return results

    assert_gradients_match(
        lambda q, k: ops.sum(attend_with_noise(layer, q, k) * ops.cast(FACTORS, q.dtype)),
        compute_relaxed, [QUERY, KEY], tolerance=1e-5 if GRAD_DTYPE == "float64" else 1e-3,
    )  # fmt: skip


def split_sampling_loss(layer, weights, uses_expectation=None, mask=None):
    """Return the log-probabilities and entropies in the sampling loss, and the loss's sum."""
    with keras.StatelessScope(collect_losses=True):
        layer.add_perturbation_loss(weights, (ops.convert_to_tensor(NOISE), uses_expectation), mask)
        [loss] = layer.losses
    return loss[:, 0, 0, 0] / GRADIENT_SCALE, loss[:, 0, 1, 0] / GRADIENT_SCALE, ops.sum(loss)


def test_loss_sums_log_probabilities_and_averages_entropies_over_unmasked_steps():
    layer = HardAttention("dot")
    weights = RNG.dirichlet(np.ones(KEYS), (BATCH, QUERIES)).astype("float32")
    weights[0, 1] = 0  # fully masked
    mask = np.ones((BATCH, QUERIES), bool)
    mask[0, 0] = mask[1] = False
    uses_expectation = np.zeros((BATCH, QUERIES, 1), bool)
    uses_expectation[2] = True
    grad_log, grad_entropy, grad_sum = (
        gradients(
            lambda w, i=i: ops.sum(split_sampling_loss(layer, w, uses_expectation, mask)[i]),
            [weights],
        )[0]
        for i in range(3)
    )
    counts_in_loss = mask & weights.any(-1)
    safe = np.where(counts_in_loss[..., None], weights, 1)
    sample = np.eye(KEYS)[(np.log(safe) + NOISE).argmax(-1)]
    np.testing.assert_array_equal(grad_sum, 0)
    for result, correct, counts in [
        (grad_log, sample / safe, counts_in_loss & ~uses_expectation[..., 0]),
        (
            grad_entropy,
            -np.log(safe) / np.maximum(counts_in_loss.sum(-1), 1)[:, None, None],
            counts_in_loss,
        ),
    ]:
        # Gradients are compared up to a constant over the keys, to which a softmax is invariant.
        result, correct = (
            (x * safe) - safe * (x * safe).sum(-1, keepdims=True) for x in (result, correct)
        )
        np.testing.assert_allclose(result, correct * counts[..., None], atol=1e-5)


@pytest.mark.parametrize("temperature", [0, -1.0, float("inf"), float("nan"), True, "hot"])
def test_temperature_must_be_a_finite_number_above_0(temperature):
    with pytest.raises(ValueError, match="`temperature` to be a finite number above 0 or None"):
        HardAttention(estimator="gumbel", temperature=temperature)


def test_dropout_is_refused():
    with pytest.raises(ValueError, match=r"Expected no `dropout`.* Received: dropout=0.5"):
        HardAttention(dropout=0.5)
    HardAttention(dropout=0.0)


def test_temperature_can_be_annealed():
    layer = HardAttention("dot", estimator="gumbel", temperature=100.0, seed=1)
    cold_layer = HardAttention("dot", estimator="gumbel", temperature=0.01, seed=1)
    soft = layer(QUERY, training=True)
    layer.temperature = 0.01
    layer.seed_generator.state.assign(cold_layer.seed_generator.state)
    annealed, cold = layer(QUERY, training=True), cold_layer(QUERY, training=True)
    np.testing.assert_array_equal(ops.convert_to_numpy(annealed), ops.convert_to_numpy(cold))
    assert np.abs(ops.convert_to_numpy(soft - annealed)).max() > 1e-3
