import numpy as np
import pytest
from keras import ops

from keras_attention.normalize import sparsemax
from tests.gradients import gradients


def compute_weights(scores, mask=None):
    return ops.convert_to_numpy(sparsemax(np.array(scores, "float32"), mask))


@pytest.mark.parametrize(
    ("scores", "weights"),
    [
        ([0.5, 0.0, -3.0], [0.75, 0.25, 0]),
        ([1.0, 0.0], [1, 0]),
        ([7.0, 5.0, 5.0], [1, 0, 0]),
        ([0.0, 0.0, 0.0, 0.0], [0.25] * 4),
        ([0.25, 0.125, 0.0], [0.458333, 0.333333, 0.208333]),
        ([2.0, 2.0, -9.0], [0.5, 0.5, 0]),
    ],
)
def test_projections_match_hand_computed_weights(scores, weights):
    np.testing.assert_allclose(compute_weights([scores]), [weights], atol=1e-6)


def test_no_point_of_the_simplex_is_nearer_to_the_scores():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(5, 7)).astype("float32")
    weights = compute_weights(scores)
    assert (weights == 0).any()
    points = np.concatenate([rng.dirichlet(np.full(7, a), 2000) for a in (0.1, 1, 10)])
    for row, projected in zip(scores, weights, strict=True):
        nearest = ((points - row) ** 2).sum(-1).min()
        assert ((projected - row) ** 2).sum() <= nearest + 1e-6
        # Nor is any point on the line from the projection to one of those points.
        nearby = projected + 0.01 * (points - projected)
        assert ((projected - row) ** 2).sum() <= ((nearby - row) ** 2).sum(-1).min() + 1e-6


def test_point_of_the_simplex_is_its_own_projection():
    points = np.random.default_rng(0).dirichlet(np.ones(5), 7)
    np.testing.assert_allclose(compute_weights(points), points, atol=1e-6)


def test_rows_of_the_lowest_float_are_finite():
    lowest = np.finfo("float32").min
    np.testing.assert_allclose(compute_weights([[lowest] * 5]), [[0.2] * 5], atol=1e-6)
    np.testing.assert_array_equal(compute_weights([[lowest, 0, lowest]]), [[0, 1, 0]])
    (gradient,) = gradients(
        lambda s: ops.sum(sparsemax(s)[..., 0]), [np.array([[lowest, 0.0, lowest]], "float32")]
    )
    np.testing.assert_array_equal(gradient, 0)


def test_gradient_matches_the_papers_jacobian():
    # Martins, Astudillo (2016), section 2.5: diag(s) - s s^T / |support|.
    scores = np.array([[0.5, 0.0, -3.0, 0.25]], "float32")
    support = compute_weights(scores)[0] > 0
    np.testing.assert_array_equal(support, [True, True, False, True])
    jacobian = np.diag(support) - np.outer(support, support) / 3
    for j in range(4):
        (row,) = gradients(lambda s, j=j: ops.sum(sparsemax(s)[..., j]), [scores])
        np.testing.assert_allclose(row[0], jacobian[j], atol=1e-6)


def test_long_row_sums_to_one():
    scores = np.random.default_rng(0).normal(size=(3, 10007)) * 0.01
    np.testing.assert_allclose(compute_weights(scores).sum(-1), 1, atol=1e-4)
