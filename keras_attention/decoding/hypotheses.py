"""Operations on beams: nests of tensors `(batch, K, ...)`, K hypotheses per row."""

import keras
from keras import ops

from keras_attention.decoding.decoded import IMPOSSIBLE_SCORE, MIN_SCORE, Decoded
from keras_attention.top_k import top_k


def repeat_rows(nest, times):
    """Repeat every row of every tensor; None and scalars, which have no rows, are unchanged.

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


def flatten_index(index, width):
    """Convert indices of hypotheses within each row to indices into the flattened batch.

    Args:
        index: Int32 `(batch, K)`, from 0 to `width - 1`.
        width: Int, the number of hypotheses in each beam.

    Returns:
        Int32 `(batch, K)`, indices into the first axis of `(batch * width, ...)`.
    """
    offsets = ops.arange(ops.shape(index)[0], dtype="int32") * width
    return ops.expand_dims(offsets, 1) + index


def gather_hypotheses(hypotheses, index):
    """Gather the hypotheses `index` `(batch, K)` from a nest of tensors `(batch, width, ...)`."""

    def gather(x):
        batch, width, *rest = ops.shape(x)
        rows = ops.reshape(x, (batch * width, *rest))
        return ops.take(rows, flatten_index(index, width), axis=0)

    return keras.tree.map_structure(gather, hypotheses)


def concatenate_beams(first, second):
    """Concatenate two beams of each row."""
    return keras.tree.map_structure(lambda *pair: ops.concatenate(pair, axis=1), first, second)


def select_best(hypotheses, width):
    """Return the `width` hypotheses of highest score, best first; ties keep their order."""
    return gather_hypotheses(hypotheses, top_k(hypotheses.scores, width)[1])


def fill_empty_slots(finished, unfinished):
    """Put `unfinished` hypotheses into the slots of `finished` whose score is -inf.

    Args:
        finished: `Decoded` of K hypotheses, best first.
        unfinished: `Decoded` of K hypotheses, best first.

    Returns:
        `Decoded` of K hypotheses.
    """
    width = finished.scores.shape[1]
    slots = ops.arange(width, dtype="int32")
    is_possible = ops.cast(finished.scores > IMPOSSIBLE_SCORE, "int32")
    count = ops.sum(is_possible, axis=1, keepdims=True)
    index = ops.where(slots < count, slots, width + slots - count)
    return gather_hypotheses(concatenate_beams(finished, unfinished), index)


def clear_empty_slots(hypotheses, pad_token):
    """Set hypotheses with a score of -inf to padding, length 0, MIN_SCORE and zero alignments."""
    is_possible = hypotheses.scores > IMPOSSIBLE_SCORE
    return Decoded(
        tokens=ops.where(is_possible[..., None], hypotheses.tokens, pad_token),
        lengths=ops.where(is_possible, hypotheses.lengths, 0),
        scores=ops.where(is_possible, hypotheses.scores, MIN_SCORE),
        alignments=keras.tree.map_structure(
            lambda alignments: ops.where(is_possible[..., None, None], alignments, 0.0),
            hypotheses.alignments,
        ),
    )
