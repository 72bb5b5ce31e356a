"""The loop that greedy decoding and sampling share: one token for each row at every step."""

from collections.abc import Callable

import keras
from keras import ops

from keras_attention.decoding import arguments
from keras_attention.decoding.decoded import (
    MIN_SCORE,
    Decoded,
    empty_hypotheses,
    write_alignments,
    write_tokens,
)
from keras_attention.decoding.stepper import wrap_step
from keras_attention.types import Nest, Tensor


def decode_tokens(
    select: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    step: Callable[[Tensor, Nest, Nest], tuple[Tensor, Nest, Tensor | None]],
    state: Nest,
    start_token: int | Tensor,
    end_token: int,
    max_length: int | Tensor,
    memory: Nest,
    memory_mask: Tensor | None,
    pad_token: int,
) -> Decoded:
    """Decode one token for each row at every step, until every row has ended.

    Args:
        select: Function `(log_probabilities, index) -> (log_probability, token)` of float32
            `(batch, V)` and the number of the step, an int32 scalar tensor; it returns float32 and
            int32 `(batch,)`.
        step: As in `greedy`, like all other arguments.
        state: Initial state.
        start_token: Input of the first step.
        end_token: The token that ends a row.
        max_length: Maximum number of tokens.
        memory: Passed to every step.
        memory_mask: Mask of the source positions, or None.
        pad_token: The value of `tokens` after the end token.

    Returns:
        A `Decoded`.
    """
    max_length = arguments.to_length("max_length", max_length)
    end_token = arguments.to_token("end_token", end_token)
    pad_token = arguments.to_token("pad_token", pad_token)
    leaves = arguments.flatten_state(state)
    memory_mask = arguments.to_source_mask(memory_mask, leaves)
    batch = ops.shape(leaves[0])[0]
    start_tokens = arguments.to_start_tokens(start_token, leaves)
    advance = wrap_step(step, state, memory, memory_mask)

    def is_any_running(index, tokens, leaves, running, decoded):
        return ops.any(running)

    def extend(index, tokens, leaves, running, decoded):
        log_probabilities, leaves, alignment = advance(tokens, leaves)
        log_probability, tokens = select(log_probabilities, index)
        # The loop requires the shapes of its first iteration.
        log_probability = ops.reshape(log_probability, (batch,))
        tokens = ops.reshape(tokens, (batch,))
        decoded = Decoded(
            tokens=write_tokens(decoded.tokens, index, ops.where(running, tokens, pad_token)),
            lengths=decoded.lengths + ops.cast(running, "int32"),
            scores=decoded.scores + ops.where(running, log_probability, 0.0),
            alignments=write_alignments(
                decoded.alignments,
                index,
                keras.tree.map_structure(
                    lambda weights: ops.where(ops.expand_dims(running, 1), weights, 0.0), alignment
                ),
            ),
        )
        # Rows that have ended still run the step. They pass it their last token, because the
        # padding token may be outside of the step's vocabulary.
        return index + 1, tokens, leaves, ops.logical_and(running, tokens != end_token), decoded

    *_, decoded = ops.while_loop(
        is_any_running,
        extend,
        (
            ops.convert_to_tensor(0, dtype="int32"),
            start_tokens,
            leaves,
            ops.ones((batch,), dtype="bool"),
            empty_hypotheses((batch,), max_length, memory_mask, pad_token),
        ),
        maximum_iterations=max_length,
    )
    return decoded._replace(
        scores=ops.maximum(decoded.scores, MIN_SCORE),
        alignments=None if memory_mask is None else decoded.alignments,
    )
