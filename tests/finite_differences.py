"""Check the package's gradients against central finite differences of the reference formulas."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.gradients import gradients

# Only on TensorFlow do Keras operations compute in float64; elsewhere they return float32.
GRAD_DTYPE = "float64" if keras.backend.backend() == "tensorflow" else "float32"
TOLERANCE = 1e-6 if GRAD_DTYPE == "float64" else 2e-4
only_with_float64 = pytest.mark.skipif(GRAD_DTYPE != "float64", reason="Keras has no float64 here")


def central_differences(formula, arrays, step=1e-6):
    """Compute central differences of the scalar `formula(*arrays)` in float64."""
    arrays = [np.array(x, "float64") for x in arrays]
    grads = [np.zeros(x.shape) for x in arrays]
    for x, gradient in zip(arrays, grads, strict=True):
        for index in np.ndindex(x.shape):
            middle = x[index]
            x[index] = middle + step
            above = formula(*arrays)
            x[index] = middle - step
            gradient[index] = (above - formula(*arrays)) / (2 * step)
            x[index] = middle
    return grads


def assert_gradients_match(
    loss, formula, arrays, variables=(), dtype=GRAD_DTYPE, tolerance=TOLERANCE
):
    """Assert that the gradients of `loss(*tensors)` match those of `formula(*arrays, *values)`.

    Returns:
        The gradients for the arrays, then for the variables.
    """
    arrays = [np.array(x, dtype) for x in arrays]
    actual = gradients(loss, arrays, variables)
    expected = central_differences(formula, [*arrays, *map(ops.convert_to_numpy, variables)])
    for result, correct in zip(actual, expected, strict=True):
        np.testing.assert_allclose(result, correct, rtol=tolerance, atol=tolerance)
    return actual
