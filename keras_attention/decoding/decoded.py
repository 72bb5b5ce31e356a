"""The result of decoding, and its fixed-shape buffers, which a loop writes step by step."""

from typing import NamedTuple

import keras
from keras import ops

from keras_attention.types import Tensor

# The score of a hypothesis of probability zero inside a loop. Results hold MIN_SCORE, the lowest
# float32, instead, because JSON cannot represent -inf.
IMPOSSIBLE_SCORE = float("-inf")
MIN_SCORE = -3.4028234663852886e38


class Decoded(NamedTuple):
    """The sentences that a decoding loop returns.

    `greedy` and `sample` return one per row; `beam_search` returns K per row, best first, and every
    field has an axis of size K after the batch axis.

    Attributes:
        tokens: `(batch, L)` int32: the emitted tokens, the end token included, then padding.
        lengths: `(batch,)` int32: the number of emitted tokens, the end token included.
        scores: `(batch,)` float32: the sum of the tokens' log-probabilities. Beam search applies
            its penalties to it.
        alignments: `(batch, L, S)` float32: the attention weights on the source at each emitted
            token, zero after the end. None without a `memory_mask`.
    """

    tokens: Tensor
    lengths: Tensor
    scores: Tensor
    alignments: Tensor | None


def empty_hypotheses(shape, max_length, memory_mask, pad_token):
    """Return hypotheses without tokens, for a loop to extend.

    Without a `memory_mask`, the alignments are `()`, an empty nest: loops and
    `keras.tree.map_structure` accept it, so that the code needs no special case.

    Args:
        shape: Tuple, `(batch,)` or `(batch, K)`.
        max_length: Int or scalar tensor, L.
        memory_mask: Bool `(batch, S)` or None.
        pad_token: Int, the initial value of `tokens`.

    Returns:
        A `Decoded` with scores of 0.
    """
    return Decoded(
        tokens=ops.full((*shape, max_length), pad_token, dtype="int32"),
        lengths=ops.zeros(shape, dtype="int32"),
        scores=ops.zeros(shape, dtype="float32"),
        alignments=()
        if memory_mask is None
        else ops.zeros((*shape, max_length, ops.shape(memory_mask)[1]), dtype="float32"),
    )


def write_tokens(buffer, index, tokens):
    """Return the buffer `(..., L)` with `tokens` `(...)` at position `index`."""
    is_index = ops.arange(ops.shape(buffer)[-1], dtype="int32") == index
    return ops.where(is_index, ops.expand_dims(tokens, -1), buffer)


def write_alignments(buffer, index, alignments):
    """Return the buffer `(..., L, S)` with `alignments` `(..., S)` at position `index`."""

    def write(buffer, alignments):
        is_index = ops.arange(ops.shape(buffer)[-2], dtype="int32") == index
        return ops.where(is_index[:, None], ops.expand_dims(alignments, -2), buffer)

    return keras.tree.map_structure(write, buffer, alignments)
