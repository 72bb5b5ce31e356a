"""Decoding by sampling: a random token at every step."""

from collections.abc import Callable

import keras
from keras import ops

from keras_attention.arguments import positive_integer
from keras_attention.decoding import arguments
from keras_attention.decoding.decoded import Decoded
from keras_attention.decoding.token_loop import decode_tokens
from keras_attention.decoding.token_noise import gumbel_noise, to_row_seeds
from keras_attention.decoding.truncate import select_candidates
from keras_attention.top_k import top_k as find_top_k
from keras_attention.types import Nest, Tensor


def sample(
    step: Callable[[Tensor, Nest, Nest], tuple[Tensor, Nest, Tensor | None]],
    state: Nest,
    start_token: int | Tensor,
    end_token: int,
    max_length: int | Tensor,
    memory: Nest = None,
    memory_mask: Tensor | None = None,
    pad_token: int = 0,
    temperature: float | Tensor = 1.0,
    top_k: int | None = None,
    top_p: float | Tensor | None = None,
    seed: int | Tensor | keras.random.SeedGenerator | None = None,
) -> Decoded:
    """Emit a random token at every step until the end token.

        token_t ~ p(y | token_1 .. token_{t-1}) ** (1 / temperature),  normalized over candidates

    The candidates are all tokens; with `top_k`, the `top_k` most probable ones; with `top_p`, the
    fewest of the most probable ones of these whose probabilities sum to at least `top_p`, relative
    to the sum over these. The temperature is applied before `top_p`. Of equally probable tokens,
    those with lower ids are candidates first.

    A token maximizes `log p + temperature * g` over the candidates, where the Gumbel noise g is a
    hash of the row's seed, the step and the token. So the text of a row depends on its seed, its
    state and its part of the memory: not on the other rows of the batch or its size (except where
    the step's own rounding does), and not on `max_length`, which only truncates it.

    With temperature 0, or `top_k` 1, the result is that of `greedy`, bit for bit. The loop works
    eagerly, in a graph, under XLA and in an exported model, as that of `greedy` does.

    Args:
        step: As in `greedy`.
        state: As in `greedy`.
        start_token: Int or int tensor `(batch,)`, the input of the first step.
        end_token: Int, the token that ends a row. With an id outside of the vocabulary, rows never
            end.
        max_length: Int or int scalar tensor, L: the maximum number of emitted tokens, the end
            token included.
        memory: Any nest, passed unchanged to every step. Defaults to None.
        memory_mask: Bool `(batch, S)`, True = a real source position. If given, alignments are
            returned. Defaults to None.
        pad_token: Int, the value of `tokens` after the end token. Defaults to 0.
        temperature: A finite number of at least 0, or a float tensor `()` or `(batch,)`: below 1,
            probable tokens become more probable; 0 chooses the most probable one. An element of a
            tensor that is negative or NaN counts as 0.
        top_k: Int of at least 1, the number of candidates (all, if the vocabulary is smaller);
            None = all.
        top_p: A number above 0 and at most 1, or a float tensor `()` or `(batch,)`; None = 1. If
            the sum is smaller than `top_p` by less than 1e-6, it counts as equal. An element of a
            tensor that is not above 0 leaves the most probable token.
        seed: Determines the random numbers. An int tensor `(batch,)` is one seed for each row. An
            int, or an int scalar tensor, gives each row a seed that depends on the row's number
            too. A `keras.random.SeedGenerator` draws new seeds in each call, and None those of
            Keras's global generator. In an exported model, the seeds are an input of their own, or
            `keras_attention.export.with_seed` makes an input of a generator.

    Returns:
        A `Decoded`, as of `greedy`. Its scores are sums of log p, without temperature and before
        candidates are selected, so they can be compared with those of `greedy`.

    Raises:
        ValueError: If an argument is not as described, or the step's results are not as in
            `greedy`.

    Example:
    >>> from keras import ops
    >>> from keras_attention.decoding import sample
    >>> def throw_die(tokens, state, memory):
    ...     return ops.zeros((ops.shape(tokens)[0], 6)), state, None
    >>> seeds = np.array([3, 4, 3], "int32")
    >>> throws = sample(throw_die, ops.zeros((3, 1)), 0, end_token=-1, max_length=50, seed=seeds)
    >>> tokens = ops.convert_to_numpy(throws.tokens)
    >>> bool((tokens[0] == tokens[2]).all()), bool((tokens[0] == tokens[1]).all())
    (True, False)

    Differs from Holtzman et al. (2020) only in the tolerance of `top_p`.

    Reference:
        top_k: Fan, Lewis, Dauphin (2018), section 5.1, https://arxiv.org/abs/1805.04833;
        top_p: Holtzman et al. (2020), section 3.1, https://arxiv.org/abs/1904.09751.
    """
    leaves = arguments.flatten_state(state)
    temperature = arguments.to_temperature(temperature, leaves)
    top_k = positive_integer("top_k", top_k, optional=True)
    top_p = arguments.to_share("top_p", top_p, leaves)
    seeds = to_row_seeds(seed, leaves)

    def select(log_probabilities, index):
        if top_k is None and top_p is None:
            candidates = log_probabilities
            tokens = ops.arange(ops.shape(log_probabilities)[1], dtype="int32")
        else:
            candidates, tokens = select_candidates(log_probabilities, temperature, top_k, top_p)
        noise = temperature * gumbel_noise(seeds, index, tokens)
        _, choice = find_top_k(candidates + noise, 1)
        # `ops.take_along_axis` is dozens of operations on TensorFlow.
        is_chosen = ops.arange(ops.shape(candidates)[1], dtype="int32") == choice
        log_probability = ops.sum(ops.where(is_chosen, candidates, 0.0), axis=1)
        return log_probability, ops.sum(ops.where(is_chosen, tokens, 0), axis=1)

    return decode_tokens(
        select,
        step,
        state,
        start_token,
        end_token,
        max_length,
        memory,
        memory_mask,
        pad_token,
    )
