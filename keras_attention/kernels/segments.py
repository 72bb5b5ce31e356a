"""Sums and maxima over segments: groups of elements of the first axis, of unequal sizes."""

from keras import ops

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
    segments = ops.cast(segments, "int32")
    is_visible = ops.logical_and(segments >= 0, segments < count)
    if mask is not None:
        is_visible = ops.logical_and(is_visible, mask)
    return ops.where(is_visible, segments, count), is_visible


def sum_segments(x: Tensor, segments: Tensor, count: int | Tensor) -> Tensor:
    """Sum `x`, `(E, ...)`, over each segment: `(count, ...)`; segment `count` is left out."""
    # Backends treat a segment outside of their range differently, so it gets a row of its own.
    return ops.segment_sum(x, segments, num_segments=count + 1)[:count]


def expand_like(x: Tensor, other: Tensor) -> Tensor:
    """Append axes of size 1 to `x` until it has the rank of `other`."""
    missing = len(other.shape) - len(x.shape)
    return ops.expand_dims(x, tuple(range(-missing, 0))) if missing else x
