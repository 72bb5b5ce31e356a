import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.read import weighted_sum
from tests import reference
from tests.finite_differences import GRAD_DTYPE, assert_gradients_match, only_with_float64


def arrays(dtype="float32"):
    rng = np.random.default_rng(0)
    return rng.random((2, 3, 5)).astype(dtype), rng.normal(size=(2, 5, 7)).astype(dtype)


def test_average_matches_hand_computed_context():
    weights, value = np.array([[[0.25, 0.75]]], "float32"), np.array([[[4.0], [8.0]]], "float32")
    assert ops.convert_to_numpy(weighted_sum(weights, value)).item() == 0.25 * 4 + 0.75 * 8


def test_matches_the_formula():
    expected = reference.for_each_sequence(reference.weighted_sum, *arrays())
    np.testing.assert_allclose(ops.convert_to_numpy(weighted_sum(*arrays())), expected, atol=1e-5)


@only_with_float64
def test_matches_the_formula_to_ten_digits_in_float64():
    expected = reference.for_each_sequence(reference.weighted_sum, *arrays())
    weights, value = (x.astype("float64") for x in arrays())
    np.testing.assert_allclose(weighted_sum(weights, value), expected, atol=1e-10)


def test_gradients_match_finite_differences():
    weights, value = (x[:1] for x in arrays())
    factors = np.random.default_rng(1).normal(size=(1, 3, 7)).astype(GRAD_DTYPE)

    def formula(weights, value):
        return np.sum(reference.weighted_sum(weights[0], value[0]) * factors[0])

    def loss(weights, value):
        return ops.sum(ops.multiply(weighted_sum(weights, value), factors))

    assert_gradients_match(loss, formula, [weights, value])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_summed_in_float32(dtype):
    # 4096 + 1 is 4096 in half precision, 4096 times over.
    weights = np.ones((1, 1, 4097), "float32")
    value = ops.cast(np.concatenate([np.full((1, 1, 1), 4096.0), np.ones((1, 4096, 1))], 1), dtype)
    total = weighted_sum(ops.cast(weights, dtype), value)
    assert keras.backend.standardize_dtype(total.dtype) == dtype
    assert ops.convert_to_numpy(ops.cast(total, "float32")).item() == 8192


def test_additional_leading_axes_are_batch_axes():
    weights, value = arrays()
    stacked = ops.convert_to_numpy(weighted_sum(weights[:, None], value[:, None]))
    expected = ops.convert_to_numpy(weighted_sum(weights, value))[:, None]
    np.testing.assert_allclose(stacked, expected, atol=1e-6)
