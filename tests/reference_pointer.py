"""Vinyals et al. (2015) in float64 and plain loops, for one sequence without a batch axis."""

import math
from typing import Any, NamedTuple

import numpy as np

from tests import reference


def log_softmax(scores, visible):
    """log(exp(u_j) / sum_k exp(u_k)) over the visible k; minus infinity for masked ones."""
    visible_scores = [u for u, is_visible in zip(scores, visible, strict=True) if is_visible]
    total = sum(math.exp(u - max(visible_scores)) for u in visible_scores)
    return [
        u - max(visible_scores) - math.log(total) if is_visible else -math.inf
        for u, is_visible in zip(scores, visible, strict=True)
    ]


class Pointer(NamedTuple):
    """A pointer network's decoder and the sequence that it points into.

    cell: (input, state) -> (d_i, state). w2, w1, v: of equation 3. begin: first input. end: a
    vector to point to, or None. memory: e_j. points: P_j. mask: for each j, False if it is padding.
    """

    cell: Any
    w2: Any
    w1: Any
    v: Any
    begin: Any
    end: Any
    memory: Any
    points: Any
    mask: Any

    def step(self, x, state, visited=()):
        """Return log p(C_i) of every index, the end first if there is one, and the next state.

        u_j = v . tanh(W1 e_j + W2 d_i), softmax over the unmasked j that are not in `visited`.
        """
        d, state = self.cell(x, state)
        first = 0 if self.end is None else 1
        keys = [*([] if self.end is None else [self.end]), *self.memory]
        (scores,) = reference.additive([d], keys, self.w2, self.w1, self.v)
        visible = [True] * first + [
            is_unmasked and j + first not in visited for j, is_unmasked in enumerate(self.mask)
        ]
        return log_softmax(scores, visible), state

    def next_input(self, index):
        """Return the input of the step after the one that pointed to `index`."""
        return self.points[index if self.end is None else index - 1]

    def teacher_forced(self, targets, state, mask_visited=False):
        """Return log p(C_i | C_1 .. C_{i-1}) for every i, and the last state."""
        rows, x = [], self.begin
        for i, target in enumerate(targets):
            log_p, state = self.step(x, state, targets[:i] if mask_visited else ())
            rows.append(log_p)
            x = self.next_input(target) if target or self.end is None else None
        return np.array(rows), state

    def enumerate_sequences(self, state, length, allow_repeats):
        """Return all sequences of at most `length` as [indices, log p], unfinished ones last.

        A sequence ends when it points to the end, or when no element is left.
        """
        ended, alive = [], [([], 0.0, self.begin, state)]
        for _ in range(length):
            longer = []
            for indices, total, x, before in alive:
                if self.end is None and not self.count_left(indices, allow_repeats):
                    ended.append([indices, total])
                    continue
                all_log_p, after = self.step(x, before, () if allow_repeats else indices)
                for index, log_p in enumerate(all_log_p):
                    if log_p == -math.inf:
                        continue
                    if self.end is not None and index == 0:
                        ended.append([[*indices, 0], total + log_p])
                    else:
                        x_next = self.next_input(index)
                        longer.append(([*indices, index], total + log_p, x_next, after))
            alive = longer
        return rank(ended) + rank([[indices, total] for indices, total, *_ in alive])

    def count_left(self, indices, allow_repeats):
        """Return how many elements can still be pointed to."""
        return sum(self.mask) - (0 if allow_repeats else len(indices))


def rank(sequences):
    """Sort sequences by probability, most probable first."""
    return sorted(sequences, key=lambda sequence: -sequence[1])


def lstm_with_attention(inputs, state, cell, memory, w2, w1, v):
    """The baseline of section 2.2: d'_i = sum_j a_j e_j with output [d_i; d'_i].

    d'_i is part of the next input.
    """
    outputs, rows, attended = [], [], np.zeros(len(memory[0]))
    for x in inputs:
        d, state = cell(np.array([*x, *attended]), state)
        scores = reference.additive([d], memory, w2, w1, v)
        (attended,), (weights,) = reference.attention(scores, memory)
        outputs.append([*d, *attended])
        rows.append(weights)
    return np.array(outputs), np.array(rows)
