import numpy as np
from keras import ops

from keras_attention.read import select, weighted_sum
from tests import reference
from tests.gradients import gradients

VALUE = np.random.default_rng(0).normal(size=(2, 5, 7)).astype("float32")
ONE_HOT = np.eye(5, dtype="float32")[np.array([[4, 0, 1], [2, 2, 3]])]


def test_it_reads_the_value_with_the_highest_weight():
    weights = np.random.default_rng(1).random((2, 3, 5)).astype("float32")
    expected = reference.each(reference.select, weights, VALUE)
    np.testing.assert_array_equal(ops.convert_to_numpy(select(weights, VALUE)), expected)


def test_of_equals_it_takes_the_first():
    weights = np.array([[[0.0, 0.5, 0.0, 0.5, 0.0]]], "float32")
    context = ops.convert_to_numpy(select(weights, VALUE[:1]))
    np.testing.assert_array_equal(context, VALUE[:1, 1:2])


def test_for_one_hot_weights_it_equals_the_weighted_sum():
    chosen, summed = select(ONE_HOT, VALUE), weighted_sum(ONE_HOT, VALUE)
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (chosen, summed)))


def test_a_row_of_zeros_reads_zero_even_among_infinities():
    value = np.full_like(VALUE, np.inf)
    context = ops.convert_to_numpy(select(0 * ONE_HOT, value))
    np.testing.assert_array_equal(context, np.zeros((2, 3, 7)))


def test_its_gradient_reaches_the_chosen_values_alone():
    of_weights, of_value = gradients(lambda w, v: ops.sum(select(w, v)), [ONE_HOT, VALUE])
    np.testing.assert_array_equal(of_weights, 0)
    times_chosen = np.array([[1, 1, 0, 0, 1], [0, 0, 2, 1, 0]])
    np.testing.assert_array_equal(of_value, np.repeat(times_chosen[..., None], 7, -1))


def test_the_context_has_the_values_dtype():
    context = select(ONE_HOT, ops.cast(VALUE, "float16"))
    assert ops.convert_to_numpy(context).dtype == np.float16


def test_more_leading_axes_are_more_sequences():
    stacked = ops.convert_to_numpy(select(ONE_HOT[:, None], VALUE[:, None]))
    np.testing.assert_array_equal(stacked[:, 0], ops.convert_to_numpy(select(ONE_HOT, VALUE)))
