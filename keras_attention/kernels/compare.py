"""The scores of projected queries and keys, by a kernel where the score has one."""

import math

from keras import ops

from keras_attention.kernels.additive_scores import additive_scores, is_compiled
from keras_attention.score import AdditiveScore

# A hidden layer of fewer units, or asked by fewer queries, is best computed as it stands.
FEW_UNITS, FEW_QUERIES = 16, 2
# And so is one with fewer elements; without a compiler, also one with fewer pairs of a sequence.
FEW_ELEMENTS, FEW_UNCOMPILED, FEW_PAIRS = 2**18, 2**22, 2**13


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
        return additive_scores(query, key, score.scale, _becomes_large(score, query, key))
    return score.compare(query, key)


def has_kernel(score, query, key):
    """Whether a kernel computes these scores: asked for by the score, or for its speed."""
    if not isinstance(score, AdditiveScore) or type(score).compare is not AdditiveScore.compare:
        return False
    if score.implementation != "auto" or tuple(query.shape[:-2]) != tuple(key.shape[:-2]):
        return score.implementation == "blockwise"
    (*outer, queries, units), keys = query.shape, key.shape[-2]
    if units < FEW_UNITS or (queries is not None and queries <= FEW_QUERIES):
        return False
    if None in (queries, keys):
        return True
    elements = math.prod(size or 1 for size in outer) * queries * keys * units
    if is_compiled():
        return elements >= FEW_ELEMENTS
    return elements >= FEW_UNCOMPILED and queries * keys >= FEW_PAIRS


def _becomes_large(score, query, key):
    """Whether the kernel is worth it after all, where sizes become known in a graph; else None.

    A compiler is told them in time, and fuses either way.
    """
    queries, keys, units = query.shape[-2], key.shape[-2], query.shape[-1]
    if score.implementation != "auto" or None not in (queries, keys) or is_compiled():
        return None
    pairs = ops.cast(ops.shape(query)[-2], "float32") * ops.cast(ops.shape(key)[-2], "float32")
    batch = ops.cast(ops.size(query[..., 0, 0]), "float32")
    return ops.logical_and(batch * pairs * units >= FEW_UNCOMPILED, pairs >= FEW_PAIRS)
