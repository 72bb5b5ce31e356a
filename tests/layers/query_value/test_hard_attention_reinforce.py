"""The REINFORCE gradient compared with an enumeration of all samples."""

import keras
import numpy as np
import pytest

from keras_attention import HardAttention, ReinforceModel
from tests.compile_model import compile_model
from tests.finite_differences import central_differences
from tests.layers.query_value.hard_problems import (
    KEY,
    ON_TORCH,
    QUERY,
    READOUT,
    READOUT_FOR_TWO_LAYERS,
    SECOND_LAYER,
    TARGET,
    VALUE,
    assert_mean_is_near,
    build,
    gradients,
)
from tests.reference_hard import alphas, cost_of_the_expectation, expected_cost

ONE_LAYER = [(QUERY, KEY, VALUE)]
TWO_LAYERS = [(QUERY, KEY, VALUE), SECOND_LAYER]


def differentiate_expected_cost(layers, readout, rate=0.0):
    """Return the gradients of the expected cost with respect to the layers' queries."""

    def compute_expected(*queries):
        layers_with_queries = [
            (q, key, value) for q, (_, key, value) in zip(queries, layers, strict=True)
        ]
        hard, soft = (
            f(layers_with_queries, readout, TARGET)
            for f in (expected_cost, cost_of_the_expectation)
        )
        return (1 - rate) * hard + rate * soft

    return central_differences(compute_expected, [query for query, *_ in layers])


def test_mean_gradient_is_that_of_the_expected_cost_with_and_without_a_baseline():
    problem = build(ONE_LAYER, READOUT)
    model, *_ = problem
    [expected] = differentiate_expected_cost(ONE_LAYER, READOUT)
    [without_baseline] = gradients(*problem, TARGET)
    assert float(model.baseline) < -1
    [with_baseline] = gradients(*problem, TARGET)
    assert_mean_is_near(without_baseline, expected)
    assert_mean_is_near(with_baseline, expected)
    # The baseline removes more than half of the variance here.
    assert with_baseline.var(axis=0).sum() < 0.5 * without_baseline.var(axis=0).sum()


def test_with_an_expectation_rate_the_gradient_is_that_of_the_mixture():
    problem = build(ONE_LAYER, READOUT, rate=0.5)
    [expected], [hard] = (
        differentiate_expected_cost(ONE_LAYER, READOUT, rate=0.5),
        differentiate_expected_cost(ONE_LAYER, READOUT),
    )
    [results] = gradients(*problem, TARGET)
    assert_mean_is_near(results, expected)
    with pytest.raises(AssertionError):
        assert_mean_is_near(results, hard)
    # Examples that use the expectation have the exact gradient instead of a REINFORCE estimate.
    [soft] = differentiate_expected_cost(ONE_LAYER, READOUT, rate=1.0)
    is_soft = np.isclose(results, soft.ravel(), rtol=1e-3, atol=1e-4).all(-1)
    assert 0.49 < is_soft.mean() < 0.51  # 50000 examples: 4.5 standard errors


def test_each_of_several_layers_is_credited_for_its_own_samples():
    problem = build(TWO_LAYERS, READOUT_FOR_TWO_LAYERS)
    gradients(*problem, TARGET)  # the first step sets the baseline
    results = gradients(*problem, TARGET)
    for result, correct in zip(
        results, differentiate_expected_cost(TWO_LAYERS, READOUT_FOR_TWO_LAYERS), strict=True
    ):
        assert_mean_is_near(result, correct)


def test_reward_and_entropy_weights_scale_the_gradient():
    [plain] = gradients(*build(ONE_LAYER, READOUT), TARGET)
    [halved] = gradients(*build(ONE_LAYER, READOUT, reward_weight=0.5), TARGET)
    np.testing.assert_allclose(halved, plain / 2, rtol=1e-4, atol=1e-4)
    [grad_entropy] = gradients(
        *build(ONE_LAYER, READOUT, reward_weight=0.0, entropy_weight=0.7), TARGET
    )

    def entropy(query):
        per_step = [-sum(a * np.log(a) for a in alpha) for alpha in alphas(query, KEY)]
        return -0.7 * np.mean(per_step)

    [expected] = central_differences(entropy, [QUERY])
    np.testing.assert_allclose(grad_entropy, np.tile(expected.ravel(), (len(plain), 1)), atol=1e-5)


@pytest.mark.parametrize("better", [0, 1])
def test_the_better_of_two_keys_becomes_more_likely(better):
    keras.utils.set_random_seed(0)
    ids = keras.Input((), dtype="int32")
    values_input, keys_input = keras.Input((2, 1)), keras.Input((2, 2))
    queries_input = keras.layers.Embedding(2, 2, embeddings_initializer="zeros")(ids)
    layer = HardAttention("dot", expectation_rate=0.0, seed=7)
    context, weights = layer(
        [queries_input, values_input, keys_input], return_attention_scores=True
    )
    model = ReinforceModel(
        [ids, values_input, keys_input], {"context": context, "weights": weights}
    )
    compile_model(model, keras.optimizers.SGD(2.0), {"context": "mse"}, jit_compile=not ON_TORCH)
    assert model.jit_compile != ON_TORCH
    values = np.eye(2)[better][None, :, None]
    data = [np.zeros(64, "int32"), np.repeat(values, 64, 0), np.repeat(np.eye(2)[None], 64, 0)]
    probabilities = [0.5]
    for _ in range(3):
        model.fit(data, {"context": np.ones((64, 1))}, batch_size=16, epochs=3, verbose=0)
        probabilities.append(model.predict(data, verbose=0)["weights"][0, better])
    assert (np.diff(probabilities) > 0).all()
    assert probabilities[-1] > 0.8
