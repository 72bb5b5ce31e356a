"""Decoding by the K likeliest beginnings at every step."""

import keras
from keras import ops

from keras_attention.arguments import positive_integer
from keras_attention.decoding import arguments, penalties
from keras_attention.decoding.decoded import (
    IMPOSSIBLE,
    Decoded,
    nothing_yet,
    write_alignments,
    write_tokens,
)
from keras_attention.decoding.expand import expand
from keras_attention.decoding.hypotheses import (
    best,
    blank_the_impossible,
    fill,
    flat_index,
    join,
    repeat_rows,
    select,
)
from keras_attention.decoding.stepper import stepper


def beam_search(
    step,
    state,
    start_token,
    end_token,
    max_length,
    beam_width=4,
    length_penalty=0.0,
    coverage_penalty=0.0,
    memory=None,
    memory_mask=None,
    pad_token=0,
):
    """Keeps the K likeliest beginnings at every step and returns the K best sentences.

    Per row there are K hypotheses alive and K finished. At each step the alive ones are extended
    by every token. Of these K * V candidates, those that end and are among the K likeliest are
    finished, and the K likeliest that do not end are alive next. A finished hypothesis is frozen
    and scored by

        log P(Y|X) / lp(Y) + cp(X; Y)
        lp = ((5 + |Y|) / 6) ** length_penalty
        cp = coverage_penalty * sum_i log(min(sum_j p_ij, 1))

    with |Y| the emitted tokens, the end token included, and p_ij the alignment of token j with
    the real source position i. Alive hypotheses are compared by log P alone. A row stops when
    none of its alive hypotheses can still beat its worst finished one, the loop when all rows
    have. Those still without an end at `max_length` fill the places that finished ones left
    empty: after all of them, scored alike.

    With `beam_width=1` and no penalties this is `greedy`, whether that ends or not, equal
    log-probabilities of two tokens apart.

    Args:
        step: As in `greedy`, called with `batch * K` rows.
        state: As in `greedy`; every row is repeated K times and follows its hypothesis.
        start_token: Int or int tensor `(batch,)`, what the first step is given.
        end_token: Int. A hypothesis ends with it; an id outside of the vocabulary never ends one.
        max_length: Int or int scalar tensor, L: the most tokens to emit, the end token included.
        beam_width: Int, K. Defaults to 4.
        length_penalty: Float, alpha. Above 0 favours long sentences. Defaults to 0.
        coverage_penalty: Float, beta. Above 0 favours those that looked at the whole source;
            anything but 0 needs a `memory_mask`. Defaults to 0.
        memory: Any nest; the rows of its tensors are repeated K times, once. Defaults to None.
        memory_mask: Bool `(batch, S)`, True = a real source position. Giving it asks for
            alignments. Defaults to None.
        pad_token: Int, what follows the end token in `tokens`. Defaults to 0.

    Returns:
        A `Decoded`, best first: tokens `(batch, K, L)` int32 with the end token, then padding;
        lengths `(batch, K)` int32 with the end token; scores `(batch, K)` float32; alignments
        `(batch, K, L, S)` float32, zero after the end, or None. A place for which there is no
        hypothesis holds padding, length 0 and the lowest float32 as its score.

    Raises:
        ValueError: If an argument is not as described, if the step returns a state of another
            structure or other shapes, or no alignment although `memory_mask` is given.

    Example:
    >>> from keras import ops
    >>> from keras_attention.decoding import beam_search
    >>> def coin(tokens, state, memory):  # 0 ends, 1 goes on, 1 is likelier
    ...     return ops.zeros_like(state) + ops.convert_to_tensor([0.0, 1.0]), state, None
    >>> decoded = beam_search(coin, ops.zeros((1, 2)), 1, end_token=0, max_length=3, beam_width=2)
    >>> ops.convert_to_numpy(decoded.tokens).tolist()
    [[[0, 0, 0], [1, 0, 0]]]

    Differs from the paper in that nothing but the beam prunes: Wu et al. also drop hypotheses
    that fall more than 3.0 behind the best.

    Reference: Wu et al., "Google's Neural Machine Translation System", 2016, section 7.
    """
    max_length = arguments.length("max_length", max_length)
    width = positive_integer("beam_width", beam_width)
    end_token = arguments.token("end_token", end_token)
    pad_token = arguments.token("pad_token", pad_token)
    length_penalty = arguments.penalty("length_penalty", length_penalty)
    coverage_penalty = arguments.penalty("coverage_penalty", coverage_penalty)
    leaves = arguments.state_leaves(state)
    memory_mask = arguments.source_mask(memory_mask, leaves)
    if coverage_penalty and memory_mask is None:
        raise ValueError(
            "Expected a `memory_mask` for a coverage penalty. "
            f"Received: coverage_penalty={coverage_penalty}, memory_mask=None"
        )
    batch = ops.shape(leaves[0])[0]
    start_tokens = arguments.start_tokens(start_token, leaves)
    advance = stepper(step, state, repeat_rows(memory, width), memory_mask)
    length_penalties = penalties.length_penalties(max_length, length_penalty)
    largest_to_come = penalties.largest_to_come(length_penalties)

    def any_alive(index, tokens, leaves, alive, finished):
        return ops.any(alive.scores > IMPOSSIBLE)

    def finish(hypotheses, length):
        by_length = hypotheses.scores / ops.take(length_penalties, length)
        by_coverage = penalties.coverage(hypotheses.alignments, memory_mask, coverage_penalty)
        return hypotheses._replace(scores=by_length + by_coverage)

    def best_to_come(alive, length):
        by_length = alive.scores / ops.take(largest_to_come, length)
        return by_length + penalties.best_coverage_to_come(
            alive.alignments, memory_mask, coverage_penalty
        )

    def extend(index, tokens, leaves, alive, finished):
        log_probabilities, leaves, alignment = advance(tokens, leaves)
        length = index + 1
        lengths = ops.broadcast_to(length, (batch, width))
        alignments = write_alignments(
            alive.alignments,
            index,
            keras.tree.map_structure(
                lambda weights: ops.reshape(weights, (batch, width, ops.shape(weights)[1])),
                alignment,
            ),
        )

        ending, going_on, parents, next_tokens = expand(alive.scores, log_probabilities, end_token)
        ended = Decoded(
            tokens=write_tokens(
                alive.tokens, index, ops.full((batch, width), end_token, dtype="int32")
            ),
            lengths=lengths,
            scores=ending,
            alignments=alignments,
        )
        finished = best(join(finished, finish(ended, length)), width)

        alive = Decoded(
            tokens=write_tokens(select(alive.tokens, parents), index, next_tokens),
            lengths=lengths,
            scores=going_on,
            alignments=select(alignments, parents),
        )
        # A row whose alive hypotheses come too late lets them die; its finished ones then stay.
        hope = ops.max(best_to_come(alive, length), axis=1, keepdims=True)
        alive = alive._replace(
            scores=ops.where(hope > finished.scores[:, -1:], alive.scores, IMPOSSIBLE)
        )
        rows = ops.reshape(flat_index(parents, width), (batch * width,))
        leaves = [ops.take(leaf, rows, axis=0) for leaf in leaves]
        return length, ops.reshape(next_tokens, (batch * width,)), leaves, alive, finished

    nothing = nothing_yet((batch, width), max_length, memory_mask, pad_token)
    first_place = ops.arange(width, dtype="int32") == 0
    *_, alive, finished = ops.while_loop(
        any_alive,
        extend,
        (
            ops.convert_to_tensor(0, dtype="int32"),
            repeat_rows(start_tokens, width),
            repeat_rows(leaves, width),
            # One hypothesis, not K equal ones: the others would only repeat it.
            nothing._replace(scores=ops.where(first_place, nothing.scores, IMPOSSIBLE)),
            nothing._replace(scores=ops.full((batch, width), IMPOSSIBLE, dtype="float32")),
        ),
        maximum_iterations=max_length,
    )
    unfinished = best(finish(alive, max_length), width)
    decoded = blank_the_impossible(fill(finished, unfinished), pad_token)
    return decoded._replace(alignments=None if memory_mask is None else decoded.alignments)
