"""The agreement of two explanations: rank correlation and overlap of the most important."""

from typing import NamedTuple

import numpy as np
from keras import ops

from keras_attention import arguments
from keras_attention.types import Tensor


class Agreement(NamedTuple):
    """The agreement of two explanations of each example.

    Attributes:
        correlation: Spearman's rank correlation `(batch,)`, from -1 to 1; NaN where all positions
            are equally important.
        overlap: Share of the `top` most important positions that both have in common, `(batch,)`.
    """

    correlation: np.ndarray
    overlap: np.ndarray


def agreement(
    importance: Tensor, other: Tensor, top: int = 5, mask: Tensor | None = None
) -> Agreement:
    """Compare two explanations of the same examples.

    Args:
        importance: `(batch, ...)`, such as attention weights or saliency; larger is more important.
        other: The same shape.
        top: Number of positions to compare in `overlap`; fewer if an example has fewer.
        mask: Bool, the same shape: the positions that count, which leaves out padding. Default:
            all. Every example must have one.

    Returns:
        An `Agreement` of float64 arrays.

    Raises:
        ValueError: If shapes or the dtype of the mask do not match, or if no position counts.

    Example:
    >>> weights, saliency = np.array([[0.1, 0.2, 0.7]]), np.array([[3.0, 1.0, 9.0]])
    >>> keras_attention.explain.agreement(weights, saliency, top=1)
    Agreement(correlation=array([0.5]), overlap=array([1.]))

    Reference: the measures of Jain and Wallace, "Attention is not Explanation", 2019,
    https://arxiv.org/abs/1902.10186, with Spearman's in place of Kendall's correlation.
    """
    top = arguments.positive_integer("top", top)
    pair = [np.asarray(ops.convert_to_numpy(x), "float64") for x in (importance, other)]
    mask = np.ones(pair[0].shape, bool) if mask is None else ops.convert_to_numpy(mask)
    shapes = [x.shape for x in (*pair, mask)]
    if len(set(shapes)) > 1 or len(shapes[0]) < 2 or mask.dtype != bool:
        raise ValueError(
            "Expected `importance`, `other` and a bool `mask` of the same shape (batch, ...). "
            f"Received: shapes {shapes} and dtype {mask.dtype}"
        )
    if not mask.reshape(len(mask), -1).any(axis=1).all():
        raise ValueError("Expected `mask` to keep a position of each example. Received: none")
    correlations, overlaps = [], []
    for first, second, keep in zip(*pair, mask, strict=True):
        first, second = first[keep], second[keep]
        ranks = [_rank(x) for x in (first, second)]
        ranks = [x - x.mean() for x in ranks]
        scale = np.sqrt(np.prod([(x**2).sum() for x in ranks]))
        correlations.append((ranks[0] * ranks[1]).sum() / scale if scale else np.nan)
        count = min(top, len(first))
        tops = [set(np.argsort(-x, kind="stable")[:count]) for x in (first, second)]
        overlaps.append(len(tops[0] & tops[1]) / count)
    return Agreement(np.array(correlations), np.array(overlaps))


def _rank(x):
    """Return the ranks of the elements; equal ones have the mean of theirs."""
    _, places, counts = np.unique(x, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[places]
