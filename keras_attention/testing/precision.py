"""The checks for dtypes: integers, half precision, and the largest finite inputs."""

from collections.abc import Callable

import keras
import numpy as np

from keras_attention.testing.backends import to_numpy
from keras_attention.testing.case import LayerCase
from keras_attention.testing.promise import promise, require

# A power of 2 near the largest number of each dtype.
MAX_INPUT = {
    "float16": 2.0**15,
    "bfloat16": 2.0**127,
    "float32": 2.0**127,
    "float64": 2.0**300,
}


@promise("integer inputs give the same results as equal float inputs")
def check_integers_equal_floats(case: LayerCase) -> None:
    """Call the layer on int32 and on float32 inputs of equal values."""
    query, value, *masks = case.batch()
    query, value = np.round(3 * query), np.round(3 * value)
    evaluator = case.evaluator()
    expected = evaluator.outputs(query, value, *masks)
    integers = query.astype("int32"), value.astype("int32")
    for array, expected_array in zip(evaluator.outputs(*integers, *masks), expected, strict=True):
        np.testing.assert_allclose(array, expected_array, atol=1e-6)


@promise("no finite input gives NaN")
def check_finite_inputs_give_no_nan(case: LayerCase, dtype: str = "float32") -> None:
    """Call the layer with the largest inputs of its compute dtype, or `case.max_input`."""
    evaluator = case.evaluator(dtype)
    compute_dtype = evaluator.layer.compute_dtype
    max_input = case.max_input or MAX_INPUT[compute_dtype]
    query, value, *masks = case.batch()
    query, value = (
        keras.ops.convert_to_tensor(np.sign(x).astype("float64") * max_input, compute_dtype)
        for x in (query, value)
    )
    for array in evaluator.outputs(query, value, *masks):
        require(not np.isnan(array).any(), f"NaN from inputs of ±{max_input}")


@promise("half precision stays close to float32")
def check_half_precision_is_close_to_float32(case: LayerCase) -> None:
    """Compare mixed policies with float32; the output must have the compute dtype."""
    data = case.batch()
    exact = case.evaluator().outputs(*data)
    for dtype, tolerance in [("mixed_float16", 1e-2), ("mixed_bfloat16", 6e-2)]:
        evaluator = case.evaluator(dtype)
        tensors = evaluator.tensors(*data)
        output_dtype = keras.backend.standardize_dtype(tensors[0].dtype)
        require(dtype.endswith(output_dtype), f"Output of {output_dtype} under {dtype}")
        for array, exact_array in zip(to_numpy(tensors), exact, strict=True):
            np.testing.assert_allclose(array, exact_array, atol=tolerance)


CHECKS: list[Callable] = [
    check_integers_equal_floats,
    check_finite_inputs_give_no_nan,
    check_half_precision_is_close_to_float32,
]
