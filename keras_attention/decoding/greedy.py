"""Decoding by the likeliest token at every step."""

import keras
from keras import ops

from keras_attention.decoding import arguments
from keras_attention.decoding.decoded import (
    LOWEST,
    Decoded,
    nothing_yet,
    write_alignments,
    write_tokens,
)
from keras_attention.decoding.stepper import stepper


def greedy(
    step,
    state,
    start_token,
    end_token,
    max_length,
    memory=None,
    memory_mask=None,
    pad_token=0,
):
    """Emits the likeliest token at every step until the end token.

    token_t = argmax_y p(y | token_1 .. token_{t-1}), in one loop of fixed shapes which stops as
    soon as every row has ended. It works eager, in a graph, under XLA and in an exported model.

    Args:
        step: Callable `(tokens, state, memory) -> (logits, state, alignment)`: tokens `(batch,)`
            int32; state and memory the nests given here; logits `(batch, V)`, unnormalised;
            alignment `(batch, S)`, weights on the source, or None. The state that it returns has
            the structure and the shapes of the one it got. A logit that is NaN counts as -inf.
            Layers in it have to be built.
        state: Nest (list, tuple, named tuple, dict) of tensors `(batch, ...)`, the first state.
        start_token: Int or int tensor `(batch,)`, what the first step is given.
        end_token: Int. A row ends with it; an id outside of the vocabulary never ends one.
        max_length: Int or int scalar tensor, L: the most tokens to emit, the end token included.
        memory: Any nest, given to every step as it is. Defaults to None.
        memory_mask: Bool `(batch, S)`, True = a real source position. Giving it asks for
            alignments. Defaults to None.
        pad_token: Int, what follows the end token in `tokens`. Defaults to 0.

    Returns:
        A `Decoded`: tokens `(batch, L)` int32 with the end token, then padding; lengths `(batch,)`
        int32 with the end token; scores `(batch,)` float32, the sum of the log-probabilities of
        the emitted tokens; alignments `(batch, L, S)` float32, zero after the end, or None.

    Raises:
        ValueError: If an argument is not as described, if the step returns a state of another
            structure or other shapes, or no alignment although `memory_mask` is given.

    Example:
    >>> from keras import ops
    >>> from keras_attention.decoding import greedy
    >>> def count_up(tokens, state, memory):  # the likeliest token is the next number
    ...     return 9.0 * ops.one_hot(tokens + 1, 5), state, None
    >>> decoded = greedy(count_up, ops.zeros((1, 1)), start_token=0, end_token=3, max_length=6)
    >>> ops.convert_to_numpy(decoded.tokens).tolist()
    [[1, 2, 3, 0, 0, 0]]
    """
    max_length = arguments.length("max_length", max_length)
    end_token = arguments.token("end_token", end_token)
    pad_token = arguments.token("pad_token", pad_token)
    leaves = arguments.state_leaves(state)
    memory_mask = arguments.source_mask(memory_mask, leaves)
    batch = ops.shape(leaves[0])[0]
    start_tokens = arguments.start_tokens(start_token, leaves)
    advance = stepper(step, state, memory, memory_mask)

    def any_running(index, tokens, leaves, running, decoded):
        return ops.any(running)

    def extend(index, tokens, leaves, running, decoded):
        log_probabilities, leaves, alignment = advance(tokens, leaves)
        # top_k and not argmax, which on TensorFlow emits an op that other runtimes refuse.
        highest, tokens = ops.top_k(log_probabilities, 1)
        highest = ops.reshape(highest, (batch,))
        tokens = ops.reshape(ops.cast(tokens, "int32"), (batch,))
        decoded = Decoded(
            tokens=write_tokens(decoded.tokens, index, ops.where(running, tokens, pad_token)),
            lengths=decoded.lengths + ops.cast(running, "int32"),
            scores=decoded.scores + ops.where(running, highest, 0.0),
            alignments=write_alignments(
                decoded.alignments,
                index,
                keras.tree.map_structure(
                    lambda weights: ops.where(ops.expand_dims(running, 1), weights, 0.0), alignment
                ),
            ),
        )
        # A row that has ended is still stepped, with its last token and not with padding, which
        # need not be a token that the step knows.
        return index + 1, tokens, leaves, ops.logical_and(running, tokens != end_token), decoded

    *_, decoded = ops.while_loop(
        any_running,
        extend,
        (
            ops.convert_to_tensor(0, dtype="int32"),
            start_tokens,
            leaves,
            ops.ones((batch,), dtype="bool"),
            nothing_yet((batch,), max_length, memory_mask, pad_token),
        ),
        maximum_iterations=max_length,
    )
    return decoded._replace(
        scores=ops.maximum(decoded.scores, LOWEST),
        alignments=None if memory_mask is None else decoded.alignments,
    )
