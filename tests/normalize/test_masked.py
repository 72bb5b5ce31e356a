"""The masking rule, tested with every normalizer."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.normalize import hardmax, masked, softmax, sparsemax
from tests import reference
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match, only_with_float64
from tests.gradients import gradients

FORMULAS = {
    softmax: reference.softmax,
    sparsemax: reference.sparsemax,
    hardmax: reference.hardmax,
}
every_normalizer = pytest.mark.parametrize("normalize", FORMULAS, ids=lambda f: f.__name__)
every_differentiable_normalizer = pytest.mark.parametrize(
    "normalize", [softmax, sparsemax], ids=["softmax", "sparsemax"]
)
every_masked_score = pytest.mark.parametrize("masked_score", [np.nan, np.inf, -np.inf, 3e38])


def scores_and_mask(dtype="float32"):
    """Return scores, and a mask with a fully masked, a fully visible and partly masked rows."""
    rng = np.random.default_rng(0)
    scores, mask = rng.normal(size=(2, 5, 7)).astype(dtype), rng.random((2, 5, 7)) < 0.6
    mask[0, 0], mask[1, 1] = False, True
    return scores, mask


def compute_expected(normalize, scores, mask):
    formula = FORMULAS[normalize]
    return reference.for_each_sequence(
        lambda s, m: reference.row_by_row(formula, s, m), scores, mask
    )


def compute_weights(normalize, scores, mask=None):
    return ops.convert_to_numpy(normalize(ops.convert_to_tensor(scores), mask))


@every_normalizer
def test_matches_the_formula(normalize):
    scores, mask = scores_and_mask()
    weights = compute_weights(normalize, scores, mask)
    np.testing.assert_allclose(weights, compute_expected(normalize, scores, mask), atol=1e-6)
    unmasked = compute_weights(normalize, scores)
    all_visible = np.ones_like(mask)
    np.testing.assert_allclose(
        unmasked, compute_expected(normalize, scores, all_visible), atol=1e-6
    )


@only_with_float64
@every_normalizer
def test_matches_the_formula_to_ten_digits_in_float64(normalize):
    scores, mask = scores_and_mask("float64")
    weights = compute_weights(normalize, scores, mask)
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights, compute_expected(normalize, scores, mask), atol=1e-10)


@every_normalizer
def test_rows_sum_to_one_or_zero_and_masked_weights_are_exactly_zero(normalize):
    scores, mask = scores_and_mask()
    weights = compute_weights(normalize, scores, mask)
    np.testing.assert_allclose(weights.sum(-1), mask.any(-1), atol=1e-6)
    np.testing.assert_array_equal(weights[~mask], 0)
    assert (weights >= 0).all()


@every_normalizer
@every_masked_score
def test_masked_scores_do_not_change_the_weights(normalize, masked_score):
    scores, mask = scores_and_mask()
    poisoned = np.where(mask, scores, np.float32(masked_score))
    weights = compute_weights(normalize, poisoned, mask)
    np.testing.assert_array_equal(weights, compute_weights(normalize, scores, mask))


@every_differentiable_normalizer
@every_masked_score
def test_masked_scores_do_not_change_the_gradient(normalize, masked_score):
    scores, mask = scores_and_mask()
    factors = np.random.default_rng(1).normal(size=scores.shape).astype("float32")

    def loss(scores):
        return ops.sum(ops.multiply(normalize(scores, mask), factors))

    poisoned = np.where(mask, scores, np.float32(masked_score))
    np.testing.assert_array_equal(*gradients(loss, [poisoned]), *gradients(loss, [scores]))


@every_normalizer
@pytest.mark.parametrize("shift", [-1e4, 3.0, 1e4])
def test_adding_a_constant_to_all_scores_changes_nothing(normalize, shift):
    scores, mask = scores_and_mask()
    scores = np.round(scores * 64) / 64  # so that adding the shift is exact
    shifted = compute_weights(normalize, scores + np.float32(shift), mask)
    np.testing.assert_allclose(shifted, compute_weights(normalize, scores, mask), atol=1e-5)


@every_normalizer
def test_permutation_of_the_keys_permutes_the_weights(normalize):
    scores, mask = scores_and_mask()
    order = np.random.default_rng(2).permutation(7)
    permuted = compute_weights(normalize, scores[..., order], mask[..., order])
    np.testing.assert_allclose(
        permuted, compute_weights(normalize, scores, mask)[..., order], atol=1e-6
    )


@every_normalizer
@pytest.mark.parametrize("size", [1e5, 1e30, 3e38, np.inf])
def test_huge_scores_give_all_weight_to_the_highest(normalize, size):
    scores = np.array([[-size, 0, size]], "float32")
    np.testing.assert_array_equal(compute_weights(normalize, scores), [[0, 0, 1]])


@every_normalizer
@pytest.mark.parametrize("lowest", [-np.inf, np.finfo("float32").min])
def test_only_visible_key_gets_all_weight_however_low_its_score(normalize, lowest):
    scores = np.array([[0.0, lowest, 5.0]], "float32")
    weights = compute_weights(normalize, scores, np.array([[False, True, False]]))
    np.testing.assert_array_equal(weights, [[0, 1, 0]])


@every_normalizer
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_normalized_in_float32(normalize, dtype):
    scores, mask = scores_and_mask()
    halves = ops.cast(scores, dtype)
    weights = normalize(halves, mask)
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    exact = compute_expected(normalize, ops.convert_to_numpy(ops.cast(halves, "float32")), mask)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), exact, atol=1e-6)


@every_differentiable_normalizer
def test_gradient_matches_differences_and_is_zero_for_fully_masked_rows(normalize):
    scores, mask = scores_and_mask()
    factors = np.random.default_rng(1).normal(size=scores.shape).astype(GRAD_DTYPE)
    (actual,) = assert_gradients_match(
        lambda s: ops.sum(ops.multiply(normalize(s, mask), factors)),
        lambda s: np.sum(compute_expected(normalize, s, mask) * factors),
        [scores],
    )
    np.testing.assert_array_equal(actual[~mask], 0)
    assert np.abs(actual[mask]).max() > 0.1


def test_custom_distribution_is_masked_by_the_same_rule():
    @masked
    def squared_softmax(scores):
        """Weights in proportion to squares."""
        squares = ops.exp(2 * (scores - ops.max(scores, -1, keepdims=True)))
        return squares / ops.sum(squares, -1, keepdims=True)

    assert (squared_softmax.__name__, squared_softmax.__doc__[:7]) == ("squared_softmax", "Weights")
    weights = compute_weights(
        squared_softmax, np.zeros((2, 3), "float32"), np.array([[0, 1, 1], [0, 0, 0]])
    )
    np.testing.assert_array_equal(weights, [[0, 0.5, 0.5], [0, 0, 0]])
