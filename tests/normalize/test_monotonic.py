import itertools
import math

import numpy as np
import pytest
from keras import ops

from keras_attention.normalize import chunkwise, monotonic, monotonic_hard
from tests import reference_sequential
from tests.gradients import gradients


def numpy(x):
    return ops.convert_to_numpy(x)


def logit(p):
    return math.log(p / (1 - p)) if p < 1 else 100.0


def test_hand_computed_weights():
    scores = np.array([[logit(0.5), logit(0.5), logit(1.0)]], "float32")
    first = numpy(monotonic(scores, previous=np.float32([[1, 0, 0]])))
    np.testing.assert_allclose(first, [[1 / 2, 1 / 4, 1 / 4]], atol=1e-6)
    second = numpy(monotonic(scores, previous=first))
    np.testing.assert_allclose(second, [[1 / 4, 1 / 4, 1 / 2]], atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 5, 100, 1000])
def test_weights_equal_the_sum_over_all_paths(length):
    rng = np.random.default_rng(length)
    scores = rng.normal(0, 3, size=(2, length))
    visible = rng.uniform(size=(2, length)) < 0.8
    previous = np.zeros((2, length))
    previous[0, length // 2], previous[1] = 1.0, rng.dirichlet(np.ones(length))
    weights = numpy(monotonic(scores, visible, previous=previous))
    rows = zip(scores, visible, previous, strict=True)
    expected = [reference_sequential.monotonic(*row) for row in rows]
    np.testing.assert_allclose(weights, expected, atol=2e-6)
    assert (weights.sum(-1) <= 1 + 1e-6).all()
    moved = np.cumsum(previous, axis=-1) - np.cumsum(weights, axis=-1)
    assert (moved >= -1e-6).all()  # never back


def test_weights_are_the_probabilities_of_the_choices():
    rng = np.random.default_rng(0)
    scores, previous = rng.normal(size=5), rng.dirichlet(np.ones(5))
    chosen = [reference_sequential.sigmoid(s) for s in scores]
    expected = np.zeros(5)
    for start, draws in itertools.product(range(5), itertools.product([0, 1], repeat=5)):
        probability = previous[start]
        for p, is_drawn in zip(chosen, draws, strict=True):
            probability *= p if is_drawn else 1 - p
        first = next((j for j in range(start, 5) if draws[j]), None)
        if first is not None:
            expected[first] += probability
    weights = numpy(monotonic(scores[None], previous=previous[None]))
    np.testing.assert_allclose(weights, [expected], atol=1e-6)


def test_hard_choice_is_the_limit_of_the_expectation():
    rng = np.random.default_rng(0)
    scores = np.where(rng.uniform(size=(20, 9)) < 0.3, 40.0, -40.0).astype("float32")
    previous = np.eye(9, dtype="float32")[rng.integers(0, 9, 20)]
    visible = rng.uniform(size=(20, 9)) < 0.8
    soft = numpy(monotonic(scores, visible, previous=previous))
    hard = numpy(monotonic_hard(scores, visible, previous=previous))
    np.testing.assert_allclose(soft, hard, atol=1e-6)
    expected = [
        reference_sequential.monotonic_hard(*row)
        for row in zip(scores, visible, previous, strict=True)
    ]
    np.testing.assert_array_equal(hard, expected)


def test_noise_is_added_to_the_scores():
    rng = np.random.default_rng(0)
    scores, noise, previous = rng.normal(size=(3, 1, 4)).astype("float32")
    previous = np.abs(previous) / np.abs(previous).sum()
    with_noise = numpy(monotonic(scores, previous=previous, noise=noise))
    np.testing.assert_allclose(with_noise, numpy(monotonic(scores + noise, previous=previous)))


@pytest.mark.parametrize("magnitude", [0.0, 90.0, 1e30])
def test_gradients_of_any_scores_are_finite(magnitude):
    rng = np.random.default_rng(0)
    scores = (magnitude * rng.choice([-1.0, 1.0], size=(1, 7))).astype("float32")
    previous = rng.dirichlet(np.ones(7), 1).astype("float32")

    def loss(scores, previous):
        ends = monotonic(scores, previous=previous)
        return ops.sum(ops.square(chunkwise(scores, ends=ends, width=3)))

    for gradient in gradients(loss, [scores, previous]):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("width", [1, 2, 3, 20])
@pytest.mark.parametrize("magnitude", [1.0, 90.0])
def test_chunks_equal_the_double_sum(width, magnitude):
    rng = np.random.default_rng(width)
    scores = rng.normal(0, magnitude, size=(2, 9))
    visible = rng.uniform(size=(2, 9)) < 0.7
    ends = rng.dirichlet(np.ones(9), 2) * visible
    weights = numpy(chunkwise(scores, visible, ends=ends, width=width))
    expected = [
        reference_sequential.chunkwise(list(s), list(v), e, width)
        for s, v, e in zip(scores, visible, ends, strict=True)
    ]
    np.testing.assert_allclose(weights, expected, atol=2e-6)
    np.testing.assert_allclose(weights.sum(-1), ends.sum(-1), atol=2e-6)


def test_chunk_far_below_the_largest_score_does_not_underflow():
    scores, ends = np.float32([[0.0, 0.0, 500.0]]), np.float32([[0.0, 1.0, 0.0]])
    np.testing.assert_allclose(numpy(chunkwise(scores, ends=ends, width=2)), [[0.5, 0.5, 0.0]])


@pytest.mark.parametrize("function", [monotonic, monotonic_hard])
def test_arguments_of_other_shapes_are_refused(function):
    scores = np.zeros((2, 3), "float32")
    with pytest.raises(ValueError, match="`previous`"):
        function(scores, previous=np.zeros((2, 4), "float32"))
    with pytest.raises(ValueError, match="`mask`"):
        function(scores, np.ones((2, 4), bool), previous=scores)
    with pytest.raises(ValueError, match="`width`"):
        chunkwise(scores, ends=scores, width=0)
    with pytest.raises(ValueError, match="`ends`"):
        chunkwise(scores, ends=np.zeros((2, 4), "float32"), width=2)
