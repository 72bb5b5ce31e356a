"""Normalizers on a grid of fractions: rounding must not make equal scores unequal."""

import itertools

import numpy as np
import pytest
from keras import ops

from keras_attention.normalize import gaussian, hardmax, softmax, sparsemax
from tests.gradients import gradients


def gaussian_at_equal_distances(scores, mask=None):
    """Call `gaussian` with one distance for all keys: only the scores distinguish them."""
    return gaussian(scores, mask, distance=np.float32(0.5), deviation=1.0, renormalize=True)


NORMALIZERS = {
    "softmax": softmax,
    "sparsemax": sparsemax,
    "hardmax": hardmax,
    "gaussian": gaussian_at_equal_distances,
}
every_normalizer = pytest.mark.parametrize("name", NORMALIZERS)
GRID = np.array(list(itertools.product(range(-2, 3), repeat=4)))
DIVISORS = np.array([1, 2, 3, 5, 7, 10])
SCORES = (GRID / DIVISORS[:, None, None]).astype("float32")  # (divisors, rows, 4)
# Each of the 16 masks of four keys in turn.
MASK = np.array(list(itertools.product([True, False], repeat=4)))[np.arange(len(GRID)) % 16]
ORDERS = list(itertools.permutations(range(4)))


def compute_weights(name, scores, mask=None):
    return ops.convert_to_numpy(NORMALIZERS[name](scores, mask))


def project_to_simplex(scores):
    """Compute sparsemax: its threshold is the largest one over supports of the k highest scores."""
    ranked = -np.sort(-scores.astype("float64"), axis=-1)
    taus = (np.cumsum(ranked, axis=-1) - 1) / np.arange(1, scores.shape[-1] + 1)
    return np.maximum(scores - taus.max(axis=-1, keepdims=True), 0)


def test_sparsemax_of_a_tie_at_the_edge_of_the_support():
    scores = np.array([[1, 2 / 3, 1 / 3, 1 / 3]], "float32")
    weights = compute_weights("sparsemax", scores)
    np.testing.assert_allclose(weights, [[2 / 3, 1 / 3, 0, 0]], atol=1e-6)


def test_sparsemax_projects_every_row_onto_the_simplex():
    np.testing.assert_allclose(
        compute_weights("sparsemax", SCORES), project_to_simplex(SCORES), atol=1e-6
    )


@every_normalizer
@pytest.mark.parametrize("mask", [None, MASK], ids=["visible", "masked"])
def test_rows_sum_to_one_or_are_all_zero(name, mask):
    weights = compute_weights(name, SCORES, mask)
    visible = np.broadcast_to(True if mask is None else mask, SCORES.shape)
    np.testing.assert_allclose(weights.sum(-1), visible.any(-1), atol=1e-6)
    assert (weights >= 0).all() and not weights[~visible].any()


@pytest.mark.parametrize("mask", [None, MASK], ids=["visible", "masked"])
def test_hardmax_chooses_the_first_of_equal_scores(mask):
    weights = compute_weights("hardmax", SCORES, mask)
    visible = np.broadcast_to(True if mask is None else mask, SCORES.shape)
    scores = np.where(visible, SCORES, -np.inf)
    expected = np.eye(4)[scores.argmax(-1)] * visible.any(-1, keepdims=True)
    np.testing.assert_array_equal(weights, expected)


@pytest.mark.parametrize("name", ["softmax", "sparsemax", "gaussian"])
@pytest.mark.parametrize("mask", [None, MASK], ids=["visible", "masked"])
def test_equal_scores_have_equal_weights(name, mask):
    weights = compute_weights(name, SCORES, mask)
    visible = np.broadcast_to(True if mask is None else mask, SCORES.shape)
    for i, j in itertools.combinations(range(4), 2):
        is_tie = (SCORES[..., i] == SCORES[..., j]) & visible[..., i] & visible[..., j]
        np.testing.assert_array_equal(weights[..., i][is_tie], weights[..., j][is_tie])


@every_normalizer
def test_permuted_scores_have_permuted_weights(name):
    orders = np.array(ORDERS)[np.arange(len(GRID)) % len(ORDERS)]
    orders = np.broadcast_to(orders, SCORES.shape)
    permuted = compute_weights(name, np.take_along_axis(SCORES, orders, -1))
    expected = np.take_along_axis(compute_weights(name, SCORES), orders, -1)
    if name == "hardmax":  # of equal scores the first one is chosen
        is_tie = (SCORES == SCORES.max(-1, keepdims=True)).sum(-1) > 1
        permuted, expected = permuted[~is_tie], expected[~is_tie]
    np.testing.assert_allclose(permuted, expected, atol=1e-6)


def test_sparsemax_gradient_treats_equal_scores_equally_and_sums_to_zero():
    rows = [gradients(lambda s, j=j: ops.sum(sparsemax(s)[..., j]), [SCORES])[0] for j in range(4)]
    jacobian = np.stack(rows, axis=-2)
    # The Jacobian is the orthogonal projection onto vectors of sum zero: symmetric, idempotent.
    np.testing.assert_allclose(jacobian.sum(-1), 0, atol=1e-6)
    np.testing.assert_allclose(jacobian, np.swapaxes(jacobian, -1, -2), atol=1e-6)
    np.testing.assert_allclose(jacobian @ jacobian, jacobian, atol=1e-6)
    for i, j in itertools.combinations(range(4), 2):
        is_tie = SCORES[..., i] == SCORES[..., j]
        np.testing.assert_allclose(
            jacobian[..., i, i][is_tie], jacobian[..., j, j][is_tie], atol=1e-6
        )
    inside = project_to_simplex(SCORES) > 1e-5
    size = inside.sum(-1)[..., None, None]
    expected = np.eye(4) * inside[..., None] - inside[..., None] * inside[..., None, :] / size
    ranked = -np.sort(-SCORES.astype("float64"), axis=-1)
    distance_to_edge = np.abs(ranked - (np.cumsum(ranked, -1) - 1) / np.arange(1, 5)).min(-1)
    is_smooth = distance_to_edge > 1e-5  # a score on the edge has several gradients
    np.testing.assert_allclose(jacobian[is_smooth], expected[is_smooth], atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 2, 3), (5, 3), (2, 4), (2, 1, 1)], ids=str)
@every_normalizer
def test_mask_that_does_not_broadcast_to_the_scores_is_refused(name, shape):
    with pytest.raises(ValueError, match="`mask` to be broadcastable to the scores") as refusal:
        compute_weights(name, np.zeros((2, 3), "float32"), np.ones(shape, bool))
    assert f"Received: mask of shape {shape}" in str(refusal.value)


@every_normalizer
def test_mask_does_not_enlarge_an_axis_of_the_scores(name):
    with pytest.raises(ValueError, match="`mask` to be broadcastable to the scores"):
        compute_weights(name, np.zeros((1, 3), "float32"), np.ones((4, 3), bool))


def test_distance_that_does_not_broadcast_to_the_scores_is_refused():
    scores, distance = np.zeros((2, 3), "float32"), np.zeros((4, 2, 3), "float32")
    with pytest.raises(ValueError, match=r"`distance / deviation`.*\(2, 3\).*\(4, 2, 3\)"):
        gaussian(scores, distance=distance, deviation=1.0)


@pytest.mark.parametrize("name", ["softmax", "sparsemax", "gaussian"])
def test_gradient_of_a_single_key_is_zero(name):
    for mask in (None, np.array([[True], [False]])):
        (gradient,) = gradients(
            lambda s, mask=mask: ops.sum(NORMALIZERS[name](s, mask) ** 2),
            [np.array([[3.0], [-1.0]], "float32")],
        )
        np.testing.assert_array_equal(gradient, 0)
