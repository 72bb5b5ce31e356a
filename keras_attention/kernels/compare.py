"""The scores of projected queries and keys, by a kernel where the score has one."""

import math

from keras_attention.kernels.additive_scores import additive_scores
from keras_attention.score import AdditiveScore

# A hidden layer with fewer elements than this, or of fewer units, is best computed as it stands.
FEW_ELEMENTS, FEW_UNITS, FEW_QUERIES = 2**18, 16, 2


def compare(score, query, key):
    """What `score.compare(query, key)` gives, to rounding; for large sizes by another way.

    Args:
        score: A `keras_attention.score.Score`.
        query: Projected queries `(batch, ..., Tq, any)`.
        key: Projected keys `(batch, ..., Tk, any)`.

    Returns:
        Scores `(batch, ..., Tq, Tk)`.
    """
    if has_kernel(score, query, key):
        return additive_scores(query, key, score.scale)
    return score.compare(query, key)


def has_kernel(score, query, key):
    """Whether a kernel computes these scores: asked for by the score, or for its speed."""
    if not isinstance(score, AdditiveScore) or type(score).compare is not AdditiveScore.compare:
        return False
    if score.implementation != "auto" or tuple(query.shape[:-2]) != tuple(key.shape[:-2]):
        return score.implementation == "blockwise"
    *outer, queries, units = query.shape
    if units < FEW_UNITS or (queries is not None and queries <= FEW_QUERIES):
        return False
    sizes = (*outer, queries, key.shape[-2], units)
    return None in sizes or math.prod(sizes) >= FEW_ELEMENTS
