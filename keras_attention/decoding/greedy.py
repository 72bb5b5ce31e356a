"""Greedy decoding: the most probable token at every step."""

from collections.abc import Callable

from keras_attention.decoding.decoded import Decoded
from keras_attention.decoding.token_loop import decode_tokens
from keras_attention.top_k import top_k
from keras_attention.types import Nest, Tensor


def greedy(
    step: Callable[[Tensor, Nest, Nest], tuple[Tensor, Nest, Tensor | None]],
    state: Nest,
    start_token: int | Tensor,
    end_token: int,
    max_length: int | Tensor,
    memory: Nest = None,
    memory_mask: Tensor | None = None,
    pad_token: int = 0,
) -> Decoded:
    """Emit the most probable token at every step until the end token.

    token_t = argmax_y p(y | token_1 .. token_{t-1}), in one loop of fixed shapes that stops as
    soon as every row has ended. It works eagerly, in a graph, under XLA and in an exported model.

    Args:
        step: Callable `(tokens, state, memory) -> (logits, state, alignment)`: tokens `(batch,)`
            int32; state and memory: nests like the arguments `state` and `memory`; logits
            `(batch, V)`, unnormalized; alignment: `(batch, S)`, attention weights on the source, or
            None. The returned state must have the structure and shapes of the state passed in. A
            NaN logit counts as -inf. Layers that the step calls must be built.
        state: Nest (list, tuple, named tuple, dict) of tensors `(batch, ...)`, the initial state.
        start_token: Int or int tensor `(batch,)`, the input of the first step.
        end_token: Int, the token that ends a row. With an id outside of the vocabulary, rows never
            end.
        max_length: Int or int scalar tensor, L: the maximum number of emitted tokens, the end
            token included.
        memory: Any nest, passed unchanged to every step. Defaults to None.
        memory_mask: Bool `(batch, S)`, True = a real source position. If given, alignments are
            returned. Defaults to None.
        pad_token: Int, the value of `tokens` after the end token. Defaults to 0.

    Returns:
        A `Decoded`: tokens `(batch, L)` int32, up to and including the end token, then padding;
        lengths `(batch,)` int32, counting the end token; scores `(batch,)` float32, the sum of the
        log-probabilities of the emitted tokens; alignments `(batch, L, S)` float32, zero after the
        end, or None.

    Raises:
        ValueError: If an argument is not as described, if the step returns a state of a different
            structure or different shapes, or no alignment although `memory_mask` is given.

    Example:
    >>> from keras import ops
    >>> from keras_attention.decoding import greedy
    >>> def count_up(tokens, state, memory):  # the most probable token is the next number
    ...     return 9.0 * ops.one_hot(tokens + 1, 5), state, None
    >>> decoded = greedy(count_up, ops.zeros((1, 1)), start_token=0, end_token=3, max_length=6)
    >>> ops.convert_to_numpy(decoded.tokens).tolist()
    [[1, 2, 3, 0, 0, 0]]
    """
    return decode_tokens(
        lambda log_probabilities, index: top_k(log_probabilities, 1),
        step,
        state,
        start_token,
        end_token,
        max_length,
        memory,
        memory_mask,
        pad_token,
    )
