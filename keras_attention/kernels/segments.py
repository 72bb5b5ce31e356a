"""Sums and maxima over segments: groups of elements of the first axis, of unequal sizes."""

import math

import keras
from keras import ops

from keras_attention.integers import to_int32
from keras_attention.types import Tensor


def mark_masked(segments: Tensor, count: int | Tensor, mask: Tensor | None = None):
    """Return the segments with `count` for each masked element, and which elements are visible.

    Args:
        segments: Int `(E,)`, the segment of each element. One outside of `[0, count)` masks it.
        count: Number of segments.
        mask: Bool `(E,)`, True = visible; None = all.

    Returns:
        Int32 `(E,)` in `[0, count]`, and bool `(E,)`.
    """
    segments = to_int32(segments)
    is_visible = is_index(segments, count)
    if mask is not None:
        is_visible = ops.logical_and(is_visible, mask)
    return ops.where(is_visible, segments, count), is_visible


def is_index(x: Tensor, count: int | Tensor) -> Tensor:
    """Return which of the int32 numbers are in `[0, count)`."""
    return ops.logical_and(x >= 0, x < ops.cast(count, "int32"))


def sum_segments(x: Tensor, segments: Tensor, count: int | Tensor) -> Tensor:
    """Sum `x`, `(E, ...)`, over each segment; segments are in `[0, count]`: `(count + 1, ...)`."""
    if keras.backend.backend() == "torch":
        # Keras copies the segments for each number of `x`, which takes twice the time.
        return ops.zeros((count + 1, *x.shape[1:]), x.dtype).index_add(0, segments, x)
    return ops.segment_sum(x, segments, num_segments=count + 1)


def max_segments(x: Tensor, segments: Tensor, count: int | Tensor) -> Tensor:
    """Return the maximum of `x`, `(E, ...)`, over each segment: `(count + 1, ...)`.

    It has no derivative. The maximum of a segment without elements is not defined.
    """
    x = ops.stop_gradient(x)  # JAX has no derivative of a maximum over segments
    if keras.backend.backend() == "torch":
        segments = expand_like(segments, x).long().expand(x.shape)
        largest = ops.full((count + 1, *x.shape[1:]), -math.inf, x.dtype)
        return largest.scatter_reduce(0, segments, x, "amax")
    return ops.segment_max(x, segments, num_segments=count + 1)


def expand_like(x: Tensor, other: Tensor) -> Tensor:
    """Append axes of size 1 to `x` until it has the rank of `other`."""
    missing = len(other.shape) - len(x.shape)
    return ops.expand_dims(x, tuple(range(-missing, 0))) if missing else x
