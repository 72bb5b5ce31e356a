"""segment_softmax: values by hand, masks, and equality with the softmax over a table."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.normalize import segment_softmax, softmax
from keras_attention.testing.gradients import gradients

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(9, 2)).astype("float32")
SEGMENTS = np.array([3, 0, 0, 3, 1, 3, 0, 1, 3])
MASK = np.array([True, True, False, True, False, True, True, False, True])


def run(*arguments, **options):
    return ops.convert_to_numpy(segment_softmax(*arguments, **options))


def test_weights_by_hand():
    scores = np.log(np.array([1.0, 3.0, 5.0], "float32"))
    np.testing.assert_allclose(run(scores, np.array([1, 1, 0]), 2), [0.25, 0.75, 1.0], rtol=1e-6)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_weights_equal_the_softmax_of_a_table(mask):
    visible = np.ones(9, bool) if mask is None else mask
    table = (SEGMENTS == np.arange(5)[:, None]) & visible
    rows = np.broadcast_to(SCORES.T[:, None], (2, 5, 9))
    expected = ops.convert_to_numpy(softmax(rows, table)).sum(1).T
    np.testing.assert_allclose(run(SCORES, SEGMENTS, 5, mask), expected, rtol=1e-5)


def test_adding_a_constant_to_a_segment_changes_nothing():
    shifted = SCORES + np.where(SEGMENTS == 3, 1e4, 0)[:, None].astype("float32")
    np.testing.assert_allclose(run(shifted, SEGMENTS, 5), run(SCORES, SEGMENTS, 5), atol=1e-3)


def test_permuting_the_elements_permutes_the_weights():
    order = RNG.permutation(9)
    permuted = run(SCORES[order], SEGMENTS[order], 5, MASK[order])
    np.testing.assert_allclose(permuted, run(SCORES, SEGMENTS, 5, MASK)[order], rtol=1e-6)


@pytest.mark.parametrize("fill", [np.nan, np.inf, -np.inf])
def test_masked_scores_have_no_effect_on_weights_and_gradients(fill):
    filled = np.where(MASK[:, None], SCORES, np.float32(fill))
    weights = run(filled, SEGMENTS, 5, MASK)
    np.testing.assert_array_equal(weights, run(SCORES, SEGMENTS, 5, MASK))
    assert not weights[~MASK].any()

    def loss(scores):
        return ops.sum(ops.sin(segment_softmax(scores, SEGMENTS, 5, MASK)))

    (gradient,), (expected,) = gradients(loss, [filled]), gradients(loss, [SCORES])
    np.testing.assert_array_equal(gradient, expected)
    assert not gradient[~MASK].any()
    assert gradient[MASK].any()


@pytest.mark.parametrize("segment", [-1, 5, 100])
def test_segment_that_does_not_exist_masks_the_element(segment):
    segments = np.where(MASK, SEGMENTS, segment)
    np.testing.assert_array_equal(run(SCORES, segments, 5), run(SCORES, SEGMENTS, 5, MASK))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no int64 by default")
@pytest.mark.parametrize("segment", [2**32 + 1, -(2**32) + 1])
def test_int64_segment_is_not_wrapped_to_one_that_exists(segment):
    segments = np.where(MASK, SEGMENTS, segment)
    np.testing.assert_array_equal(run(SCORES, segments, 5), run(SCORES, SEGMENTS, 5, MASK))


def test_there_may_be_no_elements():
    assert run(SCORES[:0], SEGMENTS[:0], 5).shape == (0, 2)


@pytest.mark.parametrize(
    ("segments", "mask", "message"),
    [
        (SEGMENTS[:, None], None, r"`segments` of shape \(9,\).*Received: segments of shape"),
        (SEGMENTS[:4], None, "`segments` to be broadcastable"),
        (SEGMENTS, MASK[:4], "`mask` to be broadcastable"),
    ],
)
def test_other_shapes_are_refused(segments, mask, message):
    with pytest.raises(ValueError, match=message):
        segment_softmax(SCORES, segments, 5, mask)
