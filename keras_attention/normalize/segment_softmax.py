"""Softmax over segments: the keys of each query are a group of any size, as in a graph."""

from keras import ops

from keras_attention.kernels.segments import (
    expand_like,
    mark_masked,
    max_segments,
    sum_segments,
)
from keras_attention.normalize.masked import MASKED_SCORE, MAX_ABSOLUTE_SCORE
from keras_attention.precision import to_score_precision
from keras_attention.tensors import check_broadcastable
from keras_attention.types import Tensor


def segment_softmax(
    scores: Tensor, segments: Tensor, count: int | Tensor, mask: Tensor | None = None
) -> Tensor:
    """Compute `weights[e] = exp(scores[e]) / sum of exp(scores) over the segment of e`.

    In a graph, an element is an edge, and its segment is the node that it ends at. Time and memory
    grow with the number of elements, not with that of pairs of nodes.

    Args:
        scores: `(E, ...)`, any float dtype; further axes, such as heads, are independent.
        segments: Int `(E,)`, the segment of each element, in any order. An element whose segment is
            outside of `[0, count)` is masked.
        count: Number of segments, an int or a scalar tensor (on JAX an int).
        mask: Bool `(E,)`, True = visible; None = everything is visible.

    Returns:
        Weights of the same shape, float32 (float64 is kept). They sum to 1 within each segment that
        has a visible element; masked elements have weight 0, whatever their scores are.

    Raises:
        ValueError: If the shape of `segments` or `mask` is not that of the first axis of `scores`.

    Example:
    >>> scores = np.array([3.0, 3.0, 5.0], "float32")
    >>> keras_attention.normalize.segment_softmax(scores, np.array([0, 0, 1]), 2).numpy()
    array([0.5, 0.5, 1. ], dtype=float32)
    """
    check_elements(segments=segments, mask=mask, scores=scores)
    segments, is_visible = mark_masked(segments, count, mask)
    scores = to_score_precision(scores, MAX_ABSOLUTE_SCORE)
    is_visible = expand_like(is_visible, scores)
    scores = ops.where(is_visible, scores, ops.cast(MASKED_SCORE, scores.dtype))
    # Subtracting any number from the scores of a segment does not change its weights.
    largest = ops.take(max_segments(scores, segments, count), segments, axis=0)
    exponentials = ops.exp(scores - largest)
    sums = sum_segments(exponentials, segments, count)
    # Only the sums of segments that have an element are read, and these are at least 1.
    weights = exponentials / ops.take(sums, segments, axis=0)
    return ops.where(is_visible, weights, ops.zeros((), weights.dtype))


def check_elements(**tensors: Tensor) -> None:
    """Raise a ValueError if the first axes differ; all but the last tensor have no other axes."""
    *elements, (target, x) = tensors.items()
    for name, tensor in elements:
        if tensor is not None:
            shape = tuple(getattr(tensor, "shape", ())) or tuple(ops.shape(tensor))
            if len(shape) != 1:
                raise ValueError(
                    f"Expected `{name}` of shape ({x.shape[0]},), one number for each element of "
                    f"`{target}`. Received: {name} of shape {shape}"
                )
            check_broadcastable(name, tensor, f"first axis of `{target}`", x.shape[:1])
