"""The inputs of a model as tensors, batch by batch."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_attention.explain.inner_function import InnerFunction
from keras_attention.types import Nest


def split_batches(
    function: InnerFunction, inputs: Nest, batch_size: int
) -> Iterator[tuple[slice, Nest]]:
    """Yield (rows, inputs of these rows) for each batch, and prepare the function for them.

    Args:
        function: The function that is called with the batches.
        inputs: Nest of arrays or tensors `(batch, ...)`.
        batch_size: Number of examples in a batch.

    Raises:
        ValueError: If there is no example, or if inputs have different numbers of examples.
    """
    leaves = [leaf if hasattr(leaf, "shape") else np.asarray(leaf) for leaf in tree.flatten(inputs)]
    counts = {leaf.shape[0] if len(leaf.shape) else 0 for leaf in leaves}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(
            "Expected `inputs` to be arrays (batch, ...), with the same number of examples, at "
            f"least one. Received: inputs of shapes {[tuple(leaf.shape) for leaf in leaves]}"
        )
    specs = getattr(function.model, "inputs", None) or [None] * len(leaves)
    [count] = counts

    def convert(rows):
        tensors = [_convert(leaf[rows], spec) for leaf, spec in zip(leaves, specs, strict=True)]
        return tree.pack_sequence_as(inputs, tensors)

    function.prepare(convert(slice(0, 1)))
    for start in range(0, count, batch_size):
        rows = slice(start, min(start + batch_size, count))
        yield rows, convert(rows)


def check_floats(function: InnerFunction, points: list[Any]) -> None:
    """Raise a ValueError if a point is not of floating-point numbers."""
    dtypes = [keras.backend.standardize_dtype(point.dtype) for point in points]
    if not all(keras.backend.is_float_dtype(dtype) for dtype in dtypes):
        raise ValueError(
            "Expected floating-point numbers, which alone have gradients. For token ids, pass "
            "`of=` the name of the Embedding layer; for images of integers, that of the layer that "
            f"turns them into floats, such as Rescaling. Received: {function.describe_points()}, "
            f"of dtypes {dtypes}"
        )


def take_baseline(baseline: Any, rows: slice, point: Any) -> Any:
    """Return the baseline of some examples, None standing for 0, as a tensor like the point."""
    array = np.asarray(0.0 if baseline is None else ops.convert_to_numpy(baseline))
    received, shape = array.shape, tuple(point.shape)
    if array.ndim == len(shape) and array.shape[0] > 1:
        array = array[rows]
    try:
        array = np.broadcast_to(array, shape)
    except ValueError as error:
        raise ValueError(
            "Expected `baseline` to be a number, or an array that broadcasts to the input or layer "
            f"output, here {shape}. Received: baseline of shape {received}"
        ) from error
    return ops.convert_to_tensor(array, keras.backend.standardize_dtype(point.dtype))


def _convert(array, spec):
    """Return a tensor, of floats in the dtype that the model computes with."""
    expected = keras.backend.standardize_dtype((array if spec is None else spec).dtype)
    if spec is None and keras.backend.is_float_dtype(expected):
        # In particular NumPy's float64.
        return ops.convert_to_tensor(array, keras.config.floatx())
    return ops.convert_to_tensor(array, None if spec is None else expected)
