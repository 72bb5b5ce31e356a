"""Attention by dot products of one head, from queries, keys and values to contexts: no table."""

import keras
from keras import ops

from keras_attention.kernels.dot.attention import can_run_blockwise, dot_attention
from keras_attention.mask import hide
from keras_attention.normalize import softmax
from keras_attention.precision import at_least_float32, to_score_precision
from keras_attention.score import DotScore, GeneralScore
from keras_attention.score.score import Score


def is_dot(score):
    """Whether a score compares what it has projected by dot products, and nothing else."""
    known = DotScore.compare, GeneralScore.compare
    return (
        isinstance(score, (DotScore, GeneralScore))
        and type(score).compare in known
        and type(score).covers is Score.covers
    )


def supports(score, normalize, query, key, value, dropped=False):
    """True if `single_head_dot_attention` should evaluate this, by the `implementation`.

    Args:
        score, query, key, value: As in `single_head_dot_attention`; shapes count.
        normalize: The normalizer.
        dropped: Whether weights are dropped.
    """
    is_simple = len(query.shape) == len(key.shape) == 3
    if not is_dot(score) or normalize is not softmax or not is_simple:
        return False
    width = key.shape[-1] if isinstance(score, DotScore) else query.shape[-1]
    shapes = query.shape, (*key.shape[:-1], width), value.shape
    tensors = (keras.KerasTensor((shape[0], 1, *shape[1:])) for shape in shapes)
    return can_run_blockwise(*tensors, score.implementation, dropped)


def single_head_dot_attention(score, query, key, value, visible, dtype, seeds=None, rate=0.0):
    """What the plain steps read with this score and softmax.

    Args:
        score: A `DotScore` or `GeneralScore`.
        query: `(batch, Tq, Dq)`.
        key: `(batch, Tk, Dk)`.
        value: `(batch, Tk, Dv)`.
        visible: A `Visible`. What it hides may be anything.
        dtype: Compute dtype of the layer.
        seeds: Int32 `(batch, Tq)` of the dropout, as `row_seeds` draws them; or None.
        rate: Fraction of the weights to drop.

    Returns:
        Context `(batch, Tq, Dv)` in the compute dtype.
    """
    seen = visible.key_is_visible()
    asked = score.project_query(to_score_precision(hide(query, visible.query_has_visible_key())))
    keys = score.project_key(to_score_precision(hide(key, seen)))
    values = at_least_float32(hide(value, seen))
    heads = (ops.expand_dims(x, 1) for x in (asked, keys, values))
    seeds = None if seeds is None else ops.expand_dims(seeds, 1)
    context = dot_attention(*heads, visible, seeds, rate, score.implementation, dtype)
    return ops.cast(ops.squeeze(context, 1), dtype)
