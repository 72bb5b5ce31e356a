"""Sizes that a TensorFlow graph knows only at run time."""

import math

from keras import ops

from keras_attention.types import Tensor


def is_product_below(limit: int, *sizes: int | Tensor) -> bool | Tensor:
    """Return whether the product of sizes is below a limit: a bool, or a bool scalar tensor.

    Args:
        limit: Below 2**24, so that it is exact in float32.
        sizes: Ints or int32 scalar tensors, whose product in int32 could overflow.
    """
    product = math.prod(size for size in sizes if isinstance(size, int))
    for size in sizes:
        if not isinstance(size, int):
            product = product * ops.cast(size, "float32")
    return product < limit
