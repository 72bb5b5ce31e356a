"""Hard attention in inference: the value that scores highest, for every query."""

from keras import ops

from benchmarks.plain.additive import scores


def likeliest(query, value, query_kernel, key_kernel, scale):
    """`(batch, Tq, D)`, `(batch, Tk, Dv)` -> `(batch, Tq, Dv)`, by Bahdanau's score."""
    best = ops.argmax(scores(query, value, query_kernel, key_kernel, scale), axis=-1)
    return ops.take_along_axis(value, ops.expand_dims(best, -1), axis=1)
