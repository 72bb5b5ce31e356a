"""Pointer networks of a batch (Vinyals et al. 2015, equation 3), and decoding by enumeration."""

import math

import numpy as np

from tests import reference_recurrent
from tests.reference_pointer import Pointer

LOWEST = -3.4028235e38  # the most negative float32 stands for the logarithm of 0


def pointer(weights, memory, points, real):
    """Return the `Pointer` of one sequence.

    Args:
        weights: Dict of "begin", "end" (or None), "cell" and "score", lists of arrays.
        memory, points: `(T, D)`.
        real: Bool `(T,)`.
    """
    query_kernel, key_kernel, scale = weights["score"]
    return Pointer(
        cell=lambda x, state: reference_recurrent.lstm(x, state, *weights["cell"]),
        w2=query_kernel,
        w1=key_kernel,
        v=scale,
        begin=weights["begin"],
        end=weights["end"],
        memory=memory * real[:, None],
        points=points * real[:, None],
        real=real,
    )


def teacher_forced(weights, targets, memory, points, real, state, mask_visited):
    """Return log-probabilities `(batch, Tout, indices)`, and which of them are visible.

    A step without a visible element, or with a negative target, has no probabilities.
    """
    all_rows, all_visible = [], []
    for b, row in enumerate(targets):
        one = pointer(weights, memory[b], points[b], real[b])
        first = 0 if one.end is None else 1
        rows, visible, x, before = [], [], one.begin, [s[b] for s in state]
        pointed_to = []
        for target in row:
            if target < 0:
                rows.append([0.0] * (len(memory[b]) + first))
                visible.append([False] * (len(memory[b]) + first))
                continue
            left = [
                bool(is_real and not (mask_visited and j + first in pointed_to))
                for j, is_real in enumerate(real[b])
            ]
            mask = [True] * first + left
            if any(mask):
                log_p, before = one.step(x, before, pointed_to if mask_visited else ())
                rows.append([LOWEST if p == -math.inf else p for p in log_p])
            else:
                _, before = one.cell(x, before)
                rows.append([LOWEST] * len(mask))
            visible.append(mask)
            pointed_to.append(int(target))
            if target or one.end is None:
                x = one.next_input(int(target))
            else:
                x = one.begin
        all_rows.append(rows)
        all_visible.append(visible)
    return np.array(all_rows), np.array(all_visible)


def greedy(one, state, length, allow_repeats):
    """Return the indices and the log-probability of the likeliest next index at every step.

    Args:
        one: A `Pointer`.
        state: State of its cell.
        length: Maximum number of indices, that of the end included.
        allow_repeats: Whether an element can be pointed to again.
    """
    indices, total, x = [], 0.0, one.begin
    while len(indices) < length:
        if one.end is None and not one.count_left(indices, allow_repeats):
            break
        log_p, state = one.step(x, state, () if allow_repeats else indices)
        index = int(np.argmax(log_p))
        indices.append(index)
        total += log_p[index]
        if index == 0 and one.end is not None:
            break
        x = one.next_input(index)
    return indices, total
