import numpy as np
import pytest
from keras import ops

from keras_attention.decoding.penalties import (
    coverage,
    length_penalties,
    max_remaining_coverage,
    max_remaining_penalty,
)


@pytest.mark.parametrize("alpha", [-1.5, 0.0, 0.2, 1.0, 3.0])
def test_length_penalty_is_the_formula_of_the_paper(alpha):
    expected = [((5 + length) / (5 + 1)) ** alpha for length in range(8)]
    np.testing.assert_allclose(length_penalties(7, alpha), expected, rtol=1e-6)


def test_length_penalty_of_zero_is_exactly_one():
    assert (length_penalties(997, 0.0) == 1.0).all()


@pytest.mark.parametrize("alpha", [-1.5, 0.0, 0.7])
def test_max_remaining_penalty_is_the_maximum_over_greater_lengths(alpha):
    penalties = length_penalties(7, alpha)
    remaining = max_remaining_penalty(penalties)
    for length in range(7):
        assert remaining[length] == penalties[length + 1 :].max()


@pytest.mark.parametrize("alpha", [1e3, -1e3])
def test_length_penalty_beyond_float32_is_refused(alpha):
    with pytest.raises(ValueError, match=f"length_penalty={alpha}"):
        length_penalties(50, alpha)


def test_coverage_is_the_papers_sum_over_unmasked_positions():
    random = np.random.default_rng(0)
    alignments = random.uniform(size=(2, 3, 5, 7)) / 4
    mask = random.uniform(size=(2, 7)) < 0.6
    expected = np.zeros((2, 3))
    for row in range(2):
        for slot in range(3):
            for position in range(7):
                if mask[row, position]:
                    covered = min(sum(alignments[row, slot, :, position]), 1.0)
                    expected[row, slot] += 0.3 * np.log(covered)
    term = coverage(ops.convert_to_tensor(alignments.astype("float32")), mask, 0.3)
    np.testing.assert_allclose(ops.convert_to_numpy(term), expected, rtol=1e-5)


def test_unattended_position_has_a_finite_cost():
    unattended = ops.zeros((1, 1, 2, 3))
    term = coverage(unattended, np.ones((1, 3), bool), 1.0)
    np.testing.assert_allclose(ops.convert_to_numpy(term), [[3 * np.log(1e-10)]], rtol=1e-6)


@pytest.mark.parametrize("beta", [-0.4, 0.0, 0.4])
def test_max_remaining_coverage_bounds_every_extension(beta):
    random = np.random.default_rng(1)
    mask = np.array([[True, True, True, False]])
    alignments = np.zeros((1, 1, 5, 4), "float32")
    for length in range(5):
        bound = max_remaining_coverage(ops.convert_to_tensor(alignments), mask, beta)
        longer = alignments.copy()
        for later in range(length, 5):
            weights = random.uniform(size=4)
            longer[0, 0, later] = weights / weights.sum()
            term = coverage(ops.convert_to_tensor(longer), mask, beta)
            assert float(np.squeeze(term)) <= float(np.squeeze(bound)) + 1e-6
        alignments[0, 0, length] = longer[0, 0, length]
