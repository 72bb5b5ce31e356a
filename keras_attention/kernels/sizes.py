"""Sizes that a TensorFlow graph knows only at run time."""

import math

from keras import ops

from keras_attention.types import Tensor


def is_product_below(limit: int, *sizes: int | Tensor) -> bool | Tensor:
    """Return whether the product of sizes is below a limit: a bool, or a bool scalar tensor.

    The product of int32 tensors could overflow, so it is computed in float32, in which a limit
    below 2**24 is exact.
    """
    product = math.prod(size for size in sizes if isinstance(size, int))
    for size in sizes:
        if not isinstance(size, int):
            product = product * ops.cast(size, "float32")
    return product < limit
