"""The scores of projected queries and keys, by a kernel where the score has one."""

import math

from keras import ops

from keras_attention.kernels.additive.scores import additive_scores
from keras_attention.kernels.additive.single_query import additive_step, exponentials
from keras_attention.kernels.xla_context import is_compiled
from keras_attention.score import AdditiveScore

# A hidden layer of fewer units, or asked by so few queries, is best computed as it stands.
FEW_UNITS, FEW_QUERIES = 16, 2
# And so is one with fewer elements; without a compiler, also one with fewer pairs of a sequence.
FEW_ELEMENTS, FEW_UNCOMPILED, FEW_PAIRS = 2**18, 2**22, 2**13


def compare(score, query, key, of_keys=None):
    """What `score.compare(query, key)` gives, to rounding; for large sizes by another way.

    Args:
        score: A `keras_attention.score.Score`.
        query: Projected queries `(batch, ..., Tq, any)`.
        key: Projected keys `(batch, ..., Tk, any)`.
        of_keys: What `once_per_sequence` made of these keys.

    Returns:
        Scores `(batch, ..., Tq, Tk)`.
    """
    is_step = of_keys is not None and query.shape[-2] == 1
    if is_step and tuple(query.shape[:-2]) == tuple(key.shape[:-2]):
        return additive_step(query, key, of_keys, score.scale)
    if has_kernel(score, query, key):
        return additive_scores(query, key, score.scale, _becomes_large(score, query, key))
    return score.compare(query, key)


def has_kernel(score, query, key):
    """Whether a kernel computes these scores: asked for by the score, or for its speed."""
    if not _is_additive(score) or 0 in (*query.shape, *key.shape):
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


def once_per_sequence(score, key):
    """What a loop computes of projected keys `(batch, Tk, any)` before its first step, or None.

    Without a compiler a reciprocal takes as long as the tanh that it stands for.
    """
    if not _is_additive(score) or score.implementation == "plain" or not is_compiled():
        return None
    return exponentials(key) if len(key.shape) == 3 and key.shape[-1] >= FEW_UNITS else None


def _is_additive(score):
    return isinstance(score, AdditiveScore) and type(score).compare is AdditiveScore.compare


def _becomes_large(score, query, key):
    """Whether the kernel is worth it after all, where sizes become known in a graph; else None.

    A compiler is told them in time, and fuses either way.
    """
    queries, keys, units = query.shape[-2], key.shape[-2], query.shape[-1]
    if score.implementation != "auto" or None not in (queries, keys) or is_compiled():
        return None
    pairs = ops.cast(ops.shape(query)[-2], "float32") * ops.cast(ops.shape(key)[-2], "float32")
    for size in ops.shape(query)[:-2]:
        units = units * ops.cast(size, "float32")
    return ops.logical_and(pairs * units >= FEW_UNCOMPILED, pairs >= FEW_PAIRS)
