"""Attention that depends on the previous weights, over a batch of queries and in a decoder."""

import itertools

import numpy as np

from tests import reference, reference_sequential
from tests.fuzz.references import recurrent
from tests.fuzz.references.query_value import SCORES

HALF = 0.5 - 1e-5  # a sum that is smaller by so little counts as half, because of rounding


def around(weights, width):
    """Chorowski et al. (2015), section 2.3: keys within `width` of the weights' median."""
    total, sum_so_far, median = sum(weights), 0.0, 0
    for j, weight in enumerate(weights):
        sum_so_far += weight
        if sum_so_far >= HALF * total:
            median = j
            break
    return np.array([abs(j - median) <= width for j in range(len(weights))])


class LocationAware:
    """Chorowski et al. (2015), equations 8 to 11.

    Args:
        weights: List of arrays: query kernel, key kernel, scale, bias (if there is one), filters
            and location kernel.
        weigh: Function of the visible scores that returns their weights.
        sharpness: Factor of the scores.
        window: Distance from the median of the previous weights, or None.
        starts_at_first: Whether the weights before the first query are all at the first visible
            key, or the same for all visible keys.
    """

    def __init__(self, weights, weigh, sharpness, window, starts_at_first):
        self.query_kernel, self.key_kernel, self.scale, *bias = weights[:-2]
        self.filters, self.location_kernel = weights[-2:]
        self.bias = bias[0] if bias else np.zeros(len(self.scale))
        self.weigh, self.sharpness = weigh, sharpness
        self.window, self.starts_at_first = window, starts_at_first

    def start(self, visible):
        """Return the carry before the first query: previous weights, and the sum of all weights."""
        if self.starts_at_first:
            return first_visible(visible), np.zeros(len(visible))
        return np.asarray(visible) / max(np.sum(visible), 1), np.zeros(len(visible))

    def step(self, query, key, visible, carry, noise=None):
        """Return the weights of one query, and the next carry."""
        if not np.any(visible):
            return np.zeros(len(key)), carry
        if self.window is not None:
            near = visible & around(carry[0], self.window)
            visible = near if near.any() else visible
        scores = [self.score(query, key, j, carry) for j in range(len(key))]
        (row,) = reference.row_by_row(self.weigh, [scores], [visible])
        return row, (row, carry[1] + row)

    def score(self, query, key, j, carry):
        width, channels, count = self.filters.shape
        filtered = np.zeros(count)
        for offset, channel in itertools.product(range(width), range(channels)):
            source = j + offset - width // 2
            if 0 <= source < len(key):
                filtered += self.filters[offset, channel] * carry[channel][source]
        hidden = reference.times(query, self.query_kernel) + self.bias
        hidden = hidden + reference.times(key[j], self.key_kernel)
        hidden = reference.tanh(hidden + reference.times(filtered, self.location_kernel))
        return self.sharpness * reference.inner(self.scale, hidden)


class Monotonic:
    """Raffel et al. (2017), algorithm 1 and equation 8; chunks of Chiu and Raffel (2018).

    Args:
        weights: List of arrays: the bias of the energies, the weights of the energies' score and
            those of the chunks' score.
        score, chunk_score: Names in `SCORES`: general, or additive with a bias.
        chunk: Number of keys of a chunk.
        is_hard: Whether one key is chosen, or the expected weights are used.
    """

    def __init__(self, weights, score, chunk_score, chunk, is_hard):
        self.energy_bias, *weights = weights
        count = {"additive": 4, "normalized_additive": 5, "general": 1}[score]
        self.energy_weights, self.chunk_weights = weights[:count], weights[count:]
        self.score, self.chunk_score = SCORES[score], SCORES[chunk_score]
        self.chunk, self.is_hard = chunk, is_hard

    def start(self, visible):
        """Return the carry before the first query: the probabilities of the chosen key."""
        return first_visible(visible)

    def step(self, query, key, visible, carry, noise=None):
        """Return the weights of one query, and the next carry."""
        if not np.any(visible):
            return np.zeros(len(key)), carry
        (energies,) = self.score([query], key, *self.energy_weights) + self.energy_bias
        energies = energies if noise is None else energies + noise
        if self.is_hard:
            ends = reference_sequential.monotonic_hard(energies, visible, carry)
            carry = ends if ends.any() else carry
        else:
            carry = ends = reference_sequential.monotonic(energies, visible, carry)
        if self.chunk == 1:
            return ends, carry
        (scores,) = self.chunk_score([query], key, *self.chunk_weights)
        return reference_sequential.chunkwise(scores, visible, ends, self.chunk), carry


def first_visible(visible):
    """Return all weight at the first visible key, and zeros if there is none."""
    weights = np.zeros(len(visible))
    for j, is_visible in enumerate(visible):
        if is_visible:
            weights[j] = 1.0
            break
    return weights


def attend(attention, query, value, key, visible, noise=None, keep=None):
    """Return contexts and weights of a batch, whose queries are evaluated in order.

    Args:
        attention: A `LocationAware` or a `Monotonic`.
        query, value, key: `(batch, T, D)`; a batch of 1 serves all queries.
        visible: Bool `(batch, Tq, Tk)`.
        noise: Added to the energies, `(batch, Tq, Tk)`, or None.
        keep: Factors of the weights, or None.
    """
    contexts, all_rows = [], []
    for b, mask in enumerate(visible):
        q, v, k = (x[b % len(x)] for x in (query, value, key))
        carry, rows = attention.start(mask.any(0)), []
        for i, row_mask in enumerate(mask):
            row_noise = None if noise is None else noise[b, i]
            row, carry = attention.step(q[i], k, row_mask, carry, row_noise)
            rows.append(row)
        rows = np.array(rows)
        all_rows.append(rows)
        contexts.append(reference.weighted_sum(rows if keep is None else rows * keep[b], v))
    return np.array(contexts), np.array(all_rows)


def decode(attention, kinds, attend_mode, inputs, memory, inputs_mask, memory_mask, state, weights):
    """Return cell outputs, contexts, alignments, last states and last carries of a batch.

    Args:
        attention: A `LocationAware` or a `Monotonic`.
        kinds: Kinds of the cells, the lowest first.
        attend_mode: "before", the previous state is the query; "after", the new output is the
            query; "feeding", and the context is part of the next input.
        inputs, memory: `(batch, T, D)`; inputs_mask, memory_mask: Their masks.
        state: List of `(batch, n)`.
        weights: The weights of the cells.
    """

    def get_top(cell_state):
        return cell_state[0] if len(kinds) == 1 else cell_state[-1][0]

    results = []
    for b, sequence in enumerate(inputs):
        key, mask = memory[b % len(memory)], memory_mask[b % len(memory_mask)]
        run = recurrent.make_cell(kinds, weights)
        cell_state = recurrent.pack_state(kinds, [s[b] for s in state])
        carry, fed, steps = attention.start(mask), np.zeros(key.shape[-1]), []
        for x, is_real in zip(sequence, inputs_mask[b], strict=True):
            if not is_real:
                steps.append(None)
                continue
            if attend_mode == "before":
                row, carry = attention.step(get_top(cell_state), key, mask, carry)
                context = reference.times(row, key)
                output, cell_state = run(np.array([*x, *context]), cell_state)
            else:
                output, cell_state = run(
                    np.array([*x, *fed] if attend_mode == "feeding" else x), cell_state
                )
                row, carry = attention.step(output, key, mask, carry)
                context = fed = reference.times(row, key)
            steps.append((output, context, row))
        zeros = np.zeros(len(get_top(cell_state))), np.zeros(key.shape[-1]), np.zeros(len(key))
        parts = [np.array(part) for part in zip(*(step or zeros for step in steps), strict=True)]
        carries = np.concatenate(carry) if isinstance(carry, tuple) else carry
        results.append((*parts, recurrent.flatten_state(kinds, cell_state), carries))
    return [np.array(part) for part in zip(*results, strict=True)]
