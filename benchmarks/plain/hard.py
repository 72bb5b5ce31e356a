"""Hard attention in inference: the value with the highest score, for every query."""

from keras import ops

from benchmarks.plain.additive import compute_scores


def select_most_probable(query, value, query_kernel, key_kernel, scale):
    """Select one of the values `(batch, Tk, Dv)` per query, by Bahdanau's score."""
    best = ops.argmax(compute_scores(query, value, query_kernel, key_kernel, scale), axis=-1)
    return ops.take_along_axis(value, ops.expand_dims(best, -1), axis=1)
