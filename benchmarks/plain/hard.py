"""Hard attention in inference: for every query the value of highest score."""

from keras import ops

from benchmarks.plain.additive import compute_scores


def select_most_probable(query, value, query_kernel, key_kernel, scale):
    """Return values `(batch, Tq, Dv)` of `(batch, Tk, Dv)`, selected by Bahdanau's score."""
    best = ops.argmax(compute_scores(query, value, query_kernel, key_kernel, scale), axis=-1)
    return ops.take_along_axis(value, ops.expand_dims(best, -1), axis=1)
