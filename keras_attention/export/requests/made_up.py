"""Requests made up from a signature alone, for a SavedModel without warm-up requests."""

from collections.abc import Iterator

import numpy as np

BATCH = 2
LENGTHS_AND_IDS = ((4, 1), (32, 0))  # Some models refuse short sequences, and some the id 1.


def make_up_requests(signature) -> Iterator[dict[str, np.ndarray]]:
    """Yield requests with plausible shapes and values, which may nevertheless not fit the model.

    Args:
        signature: SignatureDef.

    Yields:
        Dict of input name to array; nothing if an input has a dtype without plausible values.
    """
    for length, number in LENGTHS_AND_IDS:
        arrays = {}
        for name, info in signature.inputs.items():
            array = _make_array(info, length, number)
            if array is None:
                return
            arrays[name] = array
        yield arrays


def _make_array(info, length: int, number: int) -> np.ndarray | None:
    """Return an array for one TensorInfo, or None if its dtype has no plausible values."""
    import tensorflow as tf

    sizes = [dim.size for dim in info.tensor_shape.dim]
    if info.tensor_shape.unknown_rank:
        sizes = [-1]
    shape = [length if size < 0 else size for size in sizes]
    if sizes and sizes[0] < 0:
        shape[0] = BATCH
    dtype = tf.dtypes.as_dtype(info.dtype)
    if dtype.is_floating or dtype.is_complex:
        values = 0.1 * np.random.default_rng(0).standard_normal(shape)
    elif dtype.is_integer or dtype.is_bool:
        values = np.full(shape, number)
    elif dtype == tf.string:
        # The rows differ in length, because padding to the longest row is a common fault.
        words = [b" ".join([b"a"] * (row + 1)) for row in range(shape[0] if shape else 1)]
        values = np.empty(shape, object)
        for index in np.ndindex(*shape):
            values[index] = words[index[0] if index else 0]
        return values
    else:
        return None
    return values.astype(dtype.as_numpy_dtype)
