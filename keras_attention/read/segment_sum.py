"""Context of each segment as the weighted sum of the values of its elements."""

import keras
from keras import ops

from keras_attention.kernels.segments import mark_masked, sum_segments
from keras_attention.precision import at_least_float32, saturate_cast
from keras_attention.types import Tensor


def segment_sum(weights: Tensor, values: Tensor, segments: Tensor, count: int | Tensor) -> Tensor:
    """Compute `context[i] = sum of weights[e] values[e] over the elements e of segment i`.

    Args:
        weights: `(E, ...)`, as `normalize.segment_softmax` returns them.
        values: `(E, ..., D)`, the value of each element.
        segments: Int `(E,)`, the segment of each element, in any order. An element whose segment is
            outside of `[0, count)` is left out.
        count: Number of segments, an int or a scalar tensor (on JAX an int).

    Returns:
        Context `(count, ..., D)` in the dtype of `values`; sums are float32 (float64 for float64).
        A segment without elements has a context of zero.

    Example:
    >>> weights = np.array([0.25, 0.75, 1.0], "float32")
    >>> values = np.array([[4.0], [8.0], [5.0]], "float32")
    >>> keras_attention.read.segment_sum(weights, values, np.array([0, 0, 2]), 3).numpy()
    array([[7.],
           [0.],
           [5.]], dtype=float32)
    """
    values = ops.convert_to_tensor(values)
    segments, _ = mark_masked(segments, count)
    products = ops.multiply(ops.expand_dims(weights, -1), at_least_float32(values))
    context = sum_segments(products, segments, count)[:count]
    return saturate_cast(context, keras.backend.standardize_dtype(values.dtype))
