"""Operations on a beam: nests of tensors `(batch, K, ...)`, K hypotheses per row."""

import keras
from keras import ops

from keras_attention.decoding.decoded import IMPOSSIBLE, LOWEST, Decoded


def repeat_rows(nest, times):
    """Repeats every row of every tensor; None and scalars, which have no rows, stay.

    Args:
        nest: Nest of tensors `(batch, ...)`.
        times: Int, K.

    Returns:
        The same nest of tensors `(batch * K, ...)`.
    """

    def repeat(leaf):
        has_rows = len(getattr(leaf, "shape", ())) > 0
        return ops.repeat(leaf, times, axis=0) if has_rows else leaf

    return keras.tree.map_structure(repeat, nest)


def flat_index(index, width):
    """Where the hypotheses `index` `(batch, K)` of beams of `width` lie in `(batch * width, ...)`.

    Returns:
        Int32 `(batch, K)`.
    """
    first = ops.arange(ops.shape(index)[0], dtype="int32") * width
    return ops.expand_dims(first, 1) + index


def select(hypotheses, index):
    """Takes the hypotheses `index` `(batch, K)` from a nest of tensors `(batch, width, ...)`."""

    def take(x):
        batch, width, *rest = ops.shape(x)
        flat = ops.reshape(x, (batch * width, *rest))
        return ops.take(flat, flat_index(index, width), axis=0)

    return keras.tree.map_structure(take, hypotheses)


def join(first, second):
    """Puts two beams of each row side by side."""
    return keras.tree.map_structure(lambda *pair: ops.concatenate(pair, axis=1), first, second)


def best(hypotheses, width):
    """The `width` hypotheses of highest score, best first; of equals, the one that came first."""
    index = ops.cast(ops.top_k(hypotheses.scores, width)[1], "int32")
    return select(hypotheses, index)


def fill(finished, unfinished):
    """Puts `unfinished` hypotheses in the places after the last possible one of `finished`.

    Args:
        finished: `Decoded` of K hypotheses, best first.
        unfinished: `Decoded` of K hypotheses, best first.

    Returns:
        `Decoded` of K hypotheses.
    """
    width = finished.scores.shape[1]
    places = ops.arange(width, dtype="int32")
    possible = ops.cast(finished.scores > IMPOSSIBLE, "int32")
    taken = ops.sum(possible, axis=1, keepdims=True)
    index = ops.where(places < taken, places, width + places - taken)
    return select(join(finished, unfinished), index)


def blank_the_impossible(hypotheses, pad_token):
    """Empties the places where there is no hypothesis: padding, length 0, the lowest score."""
    possible = hypotheses.scores > IMPOSSIBLE
    return Decoded(
        tokens=ops.where(possible[..., None], hypotheses.tokens, pad_token),
        lengths=ops.where(possible, hypotheses.lengths, 0),
        scores=ops.where(possible, hypotheses.scores, LOWEST),
        alignments=keras.tree.map_structure(
            lambda alignments: ops.where(possible[..., None, None], alignments, 0.0),
            hypotheses.alignments,
        ),
    )
