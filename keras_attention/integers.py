"""The cast of indices and positions to int32."""

import keras
from keras import ops

from keras_attention.arguments import MAX_INT32
from keras_attention.types import Tensor

MIN_INT32 = -MAX_INT32 - 1


def to_int32(x: Tensor) -> Tensor:
    """Cast integers to int32; one that int32 cannot hold becomes the nearest number that it holds.

    A plain cast keeps the lower 32 bits, so that the index 2**32 + 1, which does not exist, would
    become the index 1, which does.

    Args:
        x: Integers of any dtype and shape.

    Returns:
        Int32 tensor of the same shape.

    Example:
    >>> from keras_attention.integers import to_int32
    >>> to_int32(np.array([5, 2**32 + 1])).numpy()
    array([         5, 2147483647], dtype=int32)
    """
    x = x if hasattr(x, "dtype") else ops.convert_to_tensor(x)
    dtype, result = keras.backend.standardize_dtype(x.dtype), ops.cast(x, "int32")
    if dtype in ("int64", "uint32", "uint64"):
        result = ops.where(x > MAX_INT32, MAX_INT32, result)
    if dtype == "int64":
        result = ops.where(x < MIN_INT32, MIN_INT32, result)
    return result
