"""A linear recurrence along the last axis in a logarithmic number of steps."""

import math

from keras import ops

from keras_attention.types import Tensor

MAX_LENGTH = 2**16  # of an axis whose size is known only at run time


def linear_recurrence(decay: Tensor, addition: Tensor) -> Tensor:
    """Compute `q[j] = decay[j] q[j - 1] + addition[j]` along the last axis, with `q[-1] = 0`.

    The recurrence of one step is turned into that of two, four, ... steps. There is no division,
    so that the result is exact to rounding for decays of 0 to 1, however long the axis is. An axis
    whose size is known only at run time is taken to have at most `MAX_LENGTH` elements; doublings
    beyond its size change nothing.

    Args:
        decay: `(..., T)`.
        addition: Of the same shape.

    Returns:
        q of the same shape.

    Example:
    >>> from keras_attention.normalize.recurrence import linear_recurrence
    >>> linear_recurrence(np.float32([0.5, 0.5, 0.5]), np.float32([8, 0, 1])).numpy()
    array([8., 4., 3.], dtype=float32)
    """
    length = addition.shape[-1]
    length = MAX_LENGTH if length is None else length
    doublings = math.ceil(math.log2(max(length, 1)))
    for doubling in range(doublings):
        steps = 2**doubling
        addition = decay * shift(addition, steps, fill=0.0) + addition
        if doubling < doublings - 1:
            decay = decay * shift(decay, steps, fill=1.0)
    return addition


def shift(x: Tensor, steps: int, fill: float) -> Tensor:
    """Return `x` moved along the last axis: `y[j] = x[j - steps]`, and `fill` where there is none.

    Args:
        x: `(..., T)`.
        steps: An int; a negative one moves `x` to the left.
        fill: Value of the elements that have no source.

    Returns:
        Tensor of the same shape.
    """
    *outer, length = ops.shape(x)
    if isinstance(length, int):
        count = min(abs(steps), length)
    else:
        count = ops.minimum(abs(steps), length)
    filling = ops.full((*outer, count), fill, dtype=x.dtype)
    if steps < 0:
        return ops.concatenate([x[..., count:], filling], axis=-1)
    return ops.concatenate([filling, x[..., : length - count]], axis=-1)
