import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.normalize import sample, sample_ops, softmax
from tests.gradients import gradients

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
on_tensorflow = pytest.mark.skipif(not ON_TENSORFLOW, reason="needs TensorFlow Probability")
if ON_TENSORFLOW:
    from keras_attention.normalize import sample_tfp
FORMULAS = [sample_ops, sample_tfp] if ON_TENSORFLOW else [sample_ops]
every_formula = pytest.mark.parametrize("formulas", FORMULAS, ids=lambda m: m.__name__[-3:])
RNG = np.random.default_rng(0)
SCORES = 5 * RNG.normal(size=(7, 3, 5)).astype("float32")
MASK = RNG.random((7, 3, 5)) < 0.6
MASK[0, 0] = False
MASK[1:, :, 0] = True
SAMPLE_COUNT = 200_000


def numpy(x):
    return ops.convert_to_numpy(x)


def one_hot(shape, keys):
    return np.eye(keys, dtype="float32")[RNG.integers(keys, size=shape)]


@on_tensorflow
def test_tfp_and_keras_formulas_give_equal_values_and_gradients():
    chosen = one_hot((7, 3), 5)

    def compute_both(formulas, scores):
        logits = sample.log(softmax(scores, MASK))
        return formulas.log_probability(logits, chosen), formulas.entropy(logits)

    ours, theirs = compute_both(sample_ops, SCORES), compute_both(sample_tfp, SCORES)
    has_visible_key = MASK.any(-1)  # a fully masked row has no distribution
    for result, correct in zip(ours, theirs, strict=True):
        assert result.shape == (7, 3)
        np.testing.assert_allclose(
            result[has_visible_key], correct[has_visible_key], rtol=1e-6, atol=1e-6
        )
    for i in range(2):
        actual = [
            gradients(lambda s, f=f, i=i: ops.sum(compute_both(f, s)[i]), [SCORES])[0]
            for f in FORMULAS
        ]
        np.testing.assert_allclose(*actual, rtol=1e-5, atol=1e-6)


@every_formula
def test_log_probability_and_entropy_match_the_weights(formulas):
    weights = numpy(softmax(SCORES / 5))
    logits = sample.log(ops.convert_to_tensor(weights))
    chosen = one_hot((7, 3), 5)
    actual = formulas.log_probability(logits, ops.convert_to_tensor(chosen))
    np.testing.assert_allclose(numpy(actual), np.log((weights * chosen).sum(-1)), atol=1e-5)
    np.testing.assert_allclose(
        numpy(formulas.entropy(logits)), -(weights * np.log(weights)).sum(-1), atol=1e-5
    )


@every_formula
def test_sample_frequencies_match_the_weights(formulas):
    weights = np.array([0.5, 0.3, 0.15, 0.05, 0.0], "float32")
    noise = formulas.gumbel((SAMPLE_COUNT, 5), keras.random.SeedGenerator(3))
    chosen = numpy(sample.sample(ops.broadcast_to(weights, (SAMPLE_COUNT, 5)), noise))
    np.testing.assert_array_equal(chosen.sum(-1), 1)
    counts = chosen.sum(0)
    assert counts[4] == 0
    chi_square = ((counts - SAMPLE_COUNT * weights)[:4] ** 2 / (SAMPLE_COUNT * weights[:4])).sum()
    assert chi_square < 16.27  # three degrees of freedom: exceeded once in a thousand


@every_formula
def test_generator_gives_new_noise_and_its_seed_repeats_it(formulas):
    seeds = keras.random.SeedGenerator(5)
    first, second = (numpy(formulas.gumbel((11,), seeds)) for _ in range(2))
    repeated = numpy(formulas.gumbel((11,), keras.random.SeedGenerator(5)))
    assert np.abs(first - second).min() > 0
    np.testing.assert_array_equal(first, repeated)


def test_tensorflow_uses_tensorflow_probability():
    assert sample.FORMULAS is FORMULAS[-1]


def test_fully_masked_rows_sample_nothing_and_masked_keys_are_never_sampled():
    noise = 100 * RNG.normal(size=MASK.shape).astype("float32")
    weights = softmax(SCORES, MASK)
    chosen = numpy(sample.sample(weights, noise))
    relaxed = numpy(sample.sample_relaxed(weights, noise, 0.5))
    for samples in (chosen, relaxed):
        assert not samples[~MASK].any()
        np.testing.assert_allclose(samples.sum(-1), MASK.any(-1), atol=1e-6)


def test_weights_of_zero_give_no_nan():
    large_scores = 1000 * SCORES

    def sum_results(scores):
        weights = softmax(scores, MASK)
        chosen = sample.sample(weights, np.zeros_like(SCORES))
        actual = sample.log_probability(weights, chosen) + sample.entropy(weights)
        relaxed = sample.sample_relaxed(weights, np.zeros_like(SCORES), 0.1)
        return ops.sum(actual) + ops.sum(relaxed**2)

    assert np.isfinite(numpy(sum_results(large_scores)))
    assert np.isfinite(gradients(sum_results, [large_scores])[0]).all()


def test_relaxed_sample_converges_to_the_sample_as_temperature_falls():
    noise = numpy(sample.gumbel(SCORES.shape, keras.random.SeedGenerator(1)))
    weights = softmax(SCORES / 5)
    chosen = numpy(sample.sample(weights, noise))
    distances = [
        np.abs(numpy(sample.sample_relaxed(weights, noise, t)) - chosen).mean()
        for t in (1, 0.1, 1e-3)
    ]
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 1e-3
    expected = np.log(numpy(weights)) + noise
    expected = np.exp(expected / 0.5) / np.exp(expected / 0.5).sum(-1, keepdims=True)
    relaxed = numpy(sample.sample_relaxed(weights, noise, 0.5))
    np.testing.assert_allclose(relaxed, expected, atol=1e-5)
