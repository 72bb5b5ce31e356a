import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.precision import (
    MAX_ABSOLUTE_INPUT,
    at_least_float32,
    score_dtype,
    to_score_precision,
)


def dtype_of(x):
    return keras.backend.standardize_dtype(x.dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_scores_are_float32(dtype):
    x = ops.cast(np.ones((2, 3), "float32"), dtype)
    assert (
        score_dtype(dtype)
        == dtype_of(at_least_float32(x))
        == dtype_of(to_score_precision(x))
        == "float32"
    )


def test_float64_is_kept():
    x = ops.convert_to_tensor(np.ones((2, 3), "float32"))
    assert score_dtype("float64") == "float64"
    if keras.backend.backend() != "jax":  # JAX has no float64 by default
        x = ops.cast(x, "float64")
        assert dtype_of(at_least_float32(x)) == dtype_of(to_score_precision(x)) == "float64"


def test_cast_to_float32_is_exact():
    numbers = np.array([0.1, -65504, 2.0**-24, 0], "float16")
    cast = ops.convert_to_numpy(at_least_float32(ops.convert_to_tensor(numbers)))
    np.testing.assert_array_equal(cast, numbers.astype("float32"))


def test_large_numbers_are_clipped_and_others_unchanged():
    numbers = np.array([0.0, -3.5, 1e11, -1e13, 3e38, -np.inf, np.inf], "float32")
    clipped = ops.convert_to_numpy(to_score_precision(ops.convert_to_tensor(numbers)))
    expected = np.array(
        [
            0.0,
            -3.5,
            1e11,
            -MAX_ABSOLUTE_INPUT,
            MAX_ABSOLUTE_INPUT,
            -MAX_ABSOLUTE_INPUT,
            MAX_ABSOLUTE_INPUT,
        ],
        "float32",
    )
    np.testing.assert_array_equal(clipped, expected)


def test_dot_product_of_maximal_inputs_is_finite_in_float32():
    assert np.isfinite(np.float32(MAX_ABSOLUTE_INPUT) ** 2 * np.float32(1e6))
