"""The tasks of the Neural Turing Machine: episodes, targets, and the optimal predictor."""

import numpy as np
import pytest

from examples.datasets import algorithms
from examples.datasets.algorithms import (
    NOTHING,
    compute_optimal_bits,
    count_vectors_written_twice,
    make_batch,
)

TASKS = [
    algorithms.copy,
    algorithms.repeat_copy,
    algorithms.associative_recall,
    algorithms.ngrams,
    algorithms.priority_sort,
]


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def has_target(targets):
    return (targets != NOTHING).any(axis=-1)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_gives_the_same_episodes(task):
    first, second, other = (
        make_batch(task, 3, np.random.default_rng(seed), steps=211)[0] for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("task", TASKS)
def test_targets_are_bits_or_nothing_and_whole_vectors(task, rng):
    inputs, targets = make_batch(task, 7, rng)
    assert inputs.dtype == targets.dtype == "float32"
    assert inputs.shape[:2] == targets.shape[:2]
    assert set(np.unique(targets)) <= {NOTHING, 0, 1}
    np.testing.assert_array_equal(has_target(targets), (targets != NOTHING).all(axis=-1))


@pytest.mark.parametrize("task", [task for task in TASKS if task is not algorithms.ngrams])
def test_inputs_are_zero_where_there_are_targets(task, rng):
    inputs, targets = make_batch(task, 7, rng)
    assert has_target(targets).any(axis=1).all()
    assert not inputs[has_target(targets)].any()


def test_a_copy_equals_its_input(rng):
    inputs, targets = algorithms.copy(rng, length=7)
    assert inputs.shape == (15, 9)
    np.testing.assert_array_equal(np.flatnonzero(inputs[:, 8]), [7])
    np.testing.assert_array_equal(np.flatnonzero(has_target(targets)), range(8, 15))
    np.testing.assert_array_equal(targets[8:], inputs[:7, :8])


def test_copies_have_all_lengths_up_to_20(rng):
    lengths = [len(algorithms.copy(rng)[0]) // 2 for _ in range(500)]
    assert set(lengths) == set(range(1, 21))


def test_a_repeated_copy_ends_with_a_mark(rng):
    inputs, targets = algorithms.repeat_copy(rng, length=3, repeats=5)
    assert len(inputs) == 3 + 1 + 15 + 1
    assert inputs[3, 8] == 1
    np.testing.assert_allclose(inputs[3, 9], (5 - 5.5) / 2.872)
    np.testing.assert_array_equal(targets[4:-1, :8], np.tile(inputs[:3, :8], (5, 1)))
    np.testing.assert_array_equal(targets[4:, 8], [0] * 15 + [1])
    assert not targets[-1, :8].any()


def test_the_number_of_repeats_has_mean_0_and_variance_1(rng):
    counts = [algorithms.repeat_copy(rng, length=1, repeats=n)[0][1, 9] for n in range(1, 11)]
    np.testing.assert_allclose([np.mean(counts), np.var(counts)], [0, 1], atol=1e-3)


def test_recall_targets_the_item_after_the_queried_one(rng):
    for _ in range(50):
        inputs, targets = algorithms.associative_recall(rng)
        starts, marks = np.flatnonzero(inputs[:, 6]), np.flatnonzero(inputs[:, 7])
        items = [inputs[start + 1 : start + 4, :6] for start in starts]
        assert 2 <= len(items) <= 6
        np.testing.assert_array_equal(marks, [4 * len(items), 4 * len(items) + 4])
        queried = inputs[marks[0] + 1 : marks[1], :6]
        answer = targets[has_target(targets)]
        assert any(
            np.array_equal(queried, item) and np.array_equal(answer, next_item)
            for item, next_item in zip(items, items[1:], strict=False)
        )


def test_the_targets_of_ngrams_are_the_next_inputs(rng):
    inputs, targets = algorithms.ngrams(rng)
    assert inputs.shape == targets.shape == (200, 1)
    np.testing.assert_array_equal(inputs[1:], targets[:-1])


def test_the_next_bit_of_ngrams_depends_on_the_previous_five(rng):
    bits = algorithms.ngrams(rng, length=20_000)[1].ravel().astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(bits, 6)
    ones = {}
    for *context, bit in windows:
        ones.setdefault(tuple(context), []).append(bit)
    frequencies = [np.mean(bits) for bits in ones.values() if len(bits) > 50]
    assert np.std(frequencies) > 0.2  # Beta(1/2, 1/2): 0.354


def test_the_bits_of_the_best_predictor_of_ngrams_equal_a_manual_count():
    # Context 00000, bit 0: 1 bit; then 00000 1 after one 0: P(1) = 0.5/2; then 00001 1: 1 bit.
    assert compute_optimal_bits(np.array([[0]] * 6 + [[1], [1]])) == pytest.approx(5 + 1 + 2 + 1)


def test_the_best_predictor_of_ngrams_needs_133_bits_on_average(rng):
    costs = [compute_optimal_bits(algorithms.ngrams(rng)[1]) for _ in range(400)]
    assert np.mean(costs) == pytest.approx(132.9, abs=4 * np.std(costs) / 20)


def test_the_highest_priorities_come_first(rng):
    inputs, targets = algorithms.priority_sort(rng)
    assert inputs.shape == (37, 10)
    np.testing.assert_array_equal(np.flatnonzero(inputs[:, 9]), [20])
    remaining = list(range(20))
    for vector in targets[21:]:
        highest = max(remaining, key=lambda row: inputs[row, 8])
        np.testing.assert_array_equal(vector, inputs[highest, :8])
        remaining.remove(highest)


def test_shorter_episodes_are_padded(rng):
    inputs, targets = make_batch(algorithms.copy, 3, rng, steps=13, length=5)
    assert inputs.shape == (3, 13, 9)
    assert targets.shape == (3, 13, 8)
    assert not inputs[:, 11:].any()
    assert (targets[:, 11:] == NOTHING).all()
    assert (targets[:, 6:11] != NOTHING).all()


@pytest.mark.parametrize(
    ("written", "twice"),
    [
        ("abcde", 0),
        ("abbcd", 1),
        ("aabcd", 1),
        ("abcdd", 1),  # e is lost
        ("aabbc", 2),
        ("aaabc", 2),
        ("abcdc", None),  # not in a row
        ("acdee", None),  # one is missing
        ("xabcd", None),
        ("babcd", None),
        ("eabcd", None),
    ],
)
def test_vectors_written_twice_are_counted(written, twice):
    vectors = {letter: list(map(int, f"{ord(letter):08b}")) for letter in "abcdex"}
    words = [np.array([vectors[letter] for letter in word]) for word in (written, "abcde")]
    assert count_vectors_written_twice(*words) == twice


def test_equal_neighbors_do_not_count_as_written_twice():
    expected = np.array([[1, 0], [1, 0], [0, 1], [1, 1]])
    assert count_vectors_written_twice(expected, expected) == 0
    assert count_vectors_written_twice(expected[[0, 1, 1, 2]], expected) == 1
