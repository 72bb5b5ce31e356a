"""What decoding answers, and how its buffers of fixed shape are filled step by step."""

from typing import Any, NamedTuple

import keras
from keras import ops

# The score of a hypothesis of probability zero. As JSON cannot carry -inf, results hold LOWEST.
IMPOSSIBLE = float("-inf")
LOWEST = -3.4028234663852886e38


class Decoded(NamedTuple):
    """The sentences that a decoding loop found.

    `greedy` gives one per row; `beam_search` gives K per row, best first, and every field has an
    axis K after the batch.

    Attributes:
        tokens: `(batch, L)` int32: the emitted tokens with the end token, then padding.
        lengths: `(batch,)` int32: how many tokens were emitted, the end token included.
        scores: `(batch,)` float32: the sum of log-probabilities, penalised in beam search.
        alignments: `(batch, L, S)` float32: the weights on the source at each emitted token, zero
            after the end; or None where no `memory_mask` asked for them.
    """

    tokens: Any
    lengths: Any
    scores: Any
    alignments: Any


def nothing_yet(shape, max_length, memory_mask, pad_token):
    """Hypotheses without a token.

    Where no alignments are asked for, the field is `()` inside of a loop: a nest without leaves
    passes through loops and maps unseen, and needs no branch in them.

    Args:
        shape: Tuple, `(batch,)` or `(batch, K)`.
        max_length: Int or scalar tensor, L.
        memory_mask: Bool `(batch, S)` or None.
        pad_token: Int, what the tokens are filled with.

    Returns:
        A `Decoded`, scores 0.
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
    """Returns the buffer `(..., L)` with `tokens` `(...)` at position `index`."""
    here = ops.arange(ops.shape(buffer)[-1], dtype="int32") == index
    return ops.where(here, ops.expand_dims(tokens, -1), buffer)


def write_alignments(buffer, index, alignments):
    """Returns the buffer `(..., L, S)` with `alignments` `(..., S)` at position `index`."""

    def write(buffer, alignments):
        here = ops.arange(ops.shape(buffer)[-2], dtype="int32") == index
        return ops.where(here[:, None], ops.expand_dims(alignments, -2), buffer)

    return keras.tree.map_structure(write, buffer, alignments)
