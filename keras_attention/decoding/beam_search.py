"""Beam search: the K most probable prefixes at every step."""

from collections.abc import Callable

import keras
from keras import ops

from keras_attention.arguments import positive_integer
from keras_attention.decoding import arguments, penalties
from keras_attention.decoding.decoded import (
    IMPOSSIBLE_SCORE,
    Decoded,
    empty_hypotheses,
    write_alignments,
    write_tokens,
)
from keras_attention.decoding.expand import expand_beam
from keras_attention.decoding.hypotheses import (
    clear_empty_slots,
    concatenate_beams,
    fill_empty_slots,
    flatten_index,
    gather_hypotheses,
    repeat_rows,
    select_best,
)
from keras_attention.decoding.stepper import wrap_step
from keras_attention.types import Nest, Tensor


def beam_search(
    step: Callable[[Tensor, Nest, Nest], tuple[Tensor, Nest, Tensor | None]],
    state: Nest,
    start_token: int | Tensor,
    end_token: int,
    max_length: int | Tensor,
    beam_width: int = 4,
    length_penalty: float = 0.0,
    coverage_penalty: float = 0.0,
    memory: Nest = None,
    memory_mask: Tensor | None = None,
    pad_token: int = 0,
) -> Decoded:
    """Keep the K most probable prefixes at every step and return the K best sentences.

    Each row has at most K live and K finished hypotheses. Every step extends each live hypothesis
    by each of the V tokens. Of these K * V candidates, those that end and are among the K most
    probable become finished, and the K most probable that do not end are the next live hypotheses.
    The K best finished hypotheses are kept. They are not extended any more, and their score is

        log P(Y|X) / lp(Y) + cp(X; Y)
        lp = ((5 + |Y|) / 6) ** length_penalty
        cp = coverage_penalty * sum_i log(min(sum_j p_ij, 1))

    with |Y| the number of emitted tokens, the end token included, and p_ij the alignment of token
    j with the real source position i. Live hypotheses are compared by log P alone. A row stops
    when none of its live hypotheses can still score higher than its worst finished one; the loop
    stops when all rows have stopped. If a row has fewer than K finished hypotheses at `max_length`,
    unfinished ones follow them in the result, with scores by the same formula.

    With `beam_width=1` and no penalties the result is that of `greedy`, finished or not, except
    where two tokens have equal log-probabilities.

    Args:
        step: As in `greedy`, called with `batch * K` rows.
        state: As in `greedy`. Every row is repeated K times; afterwards, the rows are reordered
            together with their hypotheses.
        start_token: Int or int tensor `(batch,)`, the input of the first step.
        end_token: Int, the token that ends a hypothesis. With an id outside of the vocabulary,
            hypotheses never end.
        max_length: Int or int scalar tensor, L: the maximum number of emitted tokens, the end
            token included.
        beam_width: Int, K. Defaults to 4.
        length_penalty: Float, alpha. Values above 0 favor long sentences. Defaults to 0.
        coverage_penalty: Float, beta. Values above 0 favor sentences that attend to the whole
            source. Any value but 0 requires a `memory_mask`. Defaults to 0.
        memory: Any nest, passed to every step. The rows of its tensors are repeated K times before
            the loop. Defaults to None.
        memory_mask: Bool `(batch, S)`, True = a real source position. If given, alignments are
            returned. Defaults to None.
        pad_token: Int, the value of `tokens` after the end token. Defaults to 0.

    Returns:
        A `Decoded` with K hypotheses per row, best first: tokens `(batch, K, L)` int32, up to and
        including the end token, then padding; lengths `(batch, K)` int32, counting the end token;
        scores `(batch, K)` float32; alignments `(batch, K, L, S)` float32, zero after the end, or
        None. If a row has fewer than K hypotheses, the last ones have padding as tokens, length 0
        and the lowest float32 as their score.

    Raises:
        ValueError: If an argument is not as described, if the step returns a state of a different
            structure or different shapes, or no alignment although `memory_mask` is given.

    Example:
    >>> from keras import ops
    >>> from keras_attention.decoding import beam_search
    >>> def coin(tokens, state, memory):  # 0 ends, 1 continues and is more probable
    ...     return ops.zeros_like(state) + ops.convert_to_tensor([0.0, 1.0]), state, None
    >>> decoded = beam_search(coin, ops.zeros((1, 2)), 1, end_token=0, max_length=3, beam_width=2)
    >>> ops.convert_to_numpy(decoded.tokens).tolist()
    [[[0, 0, 0], [1, 0, 0]]]

    Differs from the paper in pruning by the beam width only: Wu et al. also drop hypotheses
    that fall more than 3.0 behind the best.

    Reference: Wu et al., "Google's Neural Machine Translation System", 2016, section 7.
    """
    max_length = arguments.to_length("max_length", max_length)
    width = positive_integer("beam_width", beam_width)
    end_token = arguments.to_token("end_token", end_token)
    pad_token = arguments.to_token("pad_token", pad_token)
    length_penalty = arguments.to_penalty("length_penalty", length_penalty)
    coverage_penalty = arguments.to_penalty("coverage_penalty", coverage_penalty)
    leaves = arguments.flatten_state(state)
    memory_mask = arguments.to_source_mask(memory_mask, leaves)
    if coverage_penalty and memory_mask is None:
        raise ValueError(
            "Expected a `memory_mask` for a coverage penalty. "
            f"Received: coverage_penalty={coverage_penalty}, memory_mask=None"
        )
    batch = ops.shape(leaves[0])[0]
    start_tokens = arguments.to_start_tokens(start_token, leaves)
    advance = wrap_step(step, state, repeat_rows(memory, width), memory_mask)
    length_penalties = penalties.length_penalties(max_length, length_penalty)
    max_length_penalties = penalties.max_remaining_penalty(length_penalties)

    def is_any_live(index, tokens, leaves, live, finished):
        return ops.any(live.scores > IMPOSSIBLE_SCORE)

    def apply_penalties(hypotheses, length):
        normalized = hypotheses.scores / ops.take(length_penalties, length)
        coverage = penalties.coverage(hypotheses.alignments, memory_mask, coverage_penalty)
        return hypotheses._replace(scores=normalized + coverage)

    def max_reachable_scores(live, length):
        normalized = live.scores / ops.take(max_length_penalties, length)
        return normalized + penalties.max_remaining_coverage(
            live.alignments, memory_mask, coverage_penalty
        )

    def extend(index, tokens, leaves, live, finished):
        log_probabilities, leaves, alignment = advance(tokens, leaves)
        length = index + 1
        lengths = ops.broadcast_to(length, (batch, width))
        alignments = write_alignments(
            live.alignments,
            index,
            keras.tree.map_structure(
                lambda weights: ops.reshape(weights, (batch, width, ops.shape(weights)[1])),
                alignment,
            ),
        )

        ended_scores, live_scores, parents, next_tokens = expand_beam(
            live.scores, log_probabilities, end_token
        )
        ended = Decoded(
            tokens=write_tokens(
                live.tokens, index, ops.full((batch, width), end_token, dtype="int32")
            ),
            lengths=lengths,
            scores=ended_scores,
            alignments=alignments,
        )
        ended = apply_penalties(ended, length)
        finished = select_best(concatenate_beams(finished, ended), width)

        live = Decoded(
            tokens=write_tokens(gather_hypotheses(live.tokens, parents), index, next_tokens),
            lengths=lengths,
            scores=live_scores,
            alignments=gather_hypotheses(alignments, parents),
        )
        # If no live hypothesis of a row can still exceed the score of the worst finished one, all
        # of them get probability zero, so that the row's finished hypotheses no longer change.
        bound = ops.max(max_reachable_scores(live, length), axis=1, keepdims=True)
        live = live._replace(
            scores=ops.where(bound > finished.scores[:, -1:], live.scores, IMPOSSIBLE_SCORE)
        )
        rows = ops.reshape(flatten_index(parents, width), (batch * width,))
        leaves = [ops.take(leaf, rows, axis=0) for leaf in leaves]
        return length, ops.reshape(next_tokens, (batch * width,)), leaves, live, finished

    empty = empty_hypotheses((batch, width), max_length, memory_mask, pad_token)
    is_first_slot = ops.arange(width, dtype="int32") == 0
    *_, live, finished = ops.while_loop(
        is_any_live,
        extend,
        (
            ops.convert_to_tensor(0, dtype="int32"),
            repeat_rows(start_tokens, width),
            repeat_rows(leaves, width),
            # Start with one possible hypothesis, because K equal ones would remain duplicates.
            empty._replace(scores=ops.where(is_first_slot, empty.scores, IMPOSSIBLE_SCORE)),
            empty._replace(scores=ops.full((batch, width), IMPOSSIBLE_SCORE, dtype="float32")),
        ),
        maximum_iterations=max_length,
    )
    unfinished = select_best(apply_penalties(live, max_length), width)
    decoded = clear_empty_slots(fill_empty_slots(finished, unfinished), pad_token)
    return decoded._replace(alignments=None if memory_mask is None else decoded.alignments)
