"""segment_sum: equality with a loop, segments that do not exist, and half precision."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.read import segment_sum

RNG = np.random.default_rng(0)
WEIGHTS = RNG.uniform(size=(7, 2)).astype("float32")
VALUES = RNG.normal(size=(7, 2, 3)).astype("float32")
SEGMENTS = np.array([3, 0, -1, 3, 1, 4, 0])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_contexts_equal_a_loop(dtype):
    values = ops.cast(VALUES, dtype)
    context = segment_sum(WEIGHTS, values, SEGMENTS, 4)
    expected = np.zeros((4, 2, 3))
    for weight, value, segment in zip(WEIGHTS, VALUES, SEGMENTS, strict=True):
        if 0 <= segment < 4:
            expected[segment] += weight[:, None] * value
    assert keras.backend.standardize_dtype(context.dtype) == dtype
    tolerance = 1e-6 if dtype == "float32" else 0.02
    context = ops.convert_to_numpy(ops.cast(context, "float32"))
    np.testing.assert_allclose(context, expected, atol=tolerance)
    assert not context[2].any()


def test_sums_of_float16_do_not_overflow_before_the_end():
    values = np.array([[6e4], [6e4], [-6e4], [-6e4]], "float16")
    context = segment_sum(np.ones(4, "float32"), values, np.zeros(4, "int32"), 1)
    assert ops.convert_to_numpy(context).tolist() == [[0.0]]
