"""Pointer networks of a batch (Vinyals et al. 2015, equation 3), and decoding by enumeration."""

import math

import numpy as np

from tests import reference_recurrent
from tests.reference_pointer import Pointer

LOWEST = -3.4028235e38  # the most negative float32 stands for the logarithm of 0


def pointer(weights, memory, points, mask):
    """Return the `Pointer` of one sequence.

    Args:
        weights: Dict of "begin", "end" (or None), "cell" and "score", lists of arrays.
        memory, points: `(T, D)`.
        mask: Bool `(T,)`.
    """
    query_kernel, key_kernel, scale = weights["score"]
    return Pointer(
        cell=lambda x, state: reference_recurrent.lstm(x, state, *weights["cell"]),
        w2=query_kernel,
        w1=key_kernel,
        v=scale,
        begin=weights["begin"],
        end=weights["end"],
        memory=memory * mask[:, None],
        points=points * mask[:, None],
        mask=mask,
    )


def teacher_forced(weights, targets, memory, points, mask, state, mask_visited):
    """Return log-probabilities `(batch, Tout, indices)`, and which of them are visible.

    A step without a visible element, or with a negative target, has no probabilities.
    """
    all_rows, all_visible = [], []
    for b, row in enumerate(targets):
        decoder = pointer(weights, memory[b], points[b], mask[b])
        first = 0 if decoder.end is None else 1
        rows, visible, x, state_before = [], [], decoder.begin, [s[b] for s in state]
        pointed_to = []
        for target in row:
            if target < 0:
                rows.append([0.0] * (len(memory[b]) + first))
                visible.append([False] * (len(memory[b]) + first))
                continue
            elements = [
                bool(is_unmasked and not (mask_visited and j + first in pointed_to))
                for j, is_unmasked in enumerate(mask[b])
            ]
            is_visible = [True] * first + elements
            if any(is_visible):
                log_p, state_before = decoder.step(
                    x, state_before, pointed_to if mask_visited else ()
                )
                rows.append([LOWEST if p == -math.inf else p for p in log_p])
            else:
                _, state_before = decoder.cell(x, state_before)
                rows.append([LOWEST] * len(is_visible))
            visible.append(is_visible)
            pointed_to.append(int(target))
            if target or decoder.end is None:
                x = decoder.next_input(int(target))
            else:
                x = decoder.begin
        all_rows.append(rows)
        all_visible.append(visible)
    return np.array(all_rows), np.array(all_visible)


def decode_greedily(decoder, state, length, allow_repeats):
    """Return the indices with the highest probability at every step, and their log-probability.

    Args:
        decoder: A `Pointer`.
        state: State of its cell.
        length: Maximum number of indices, that of the end included.
        allow_repeats: Whether an element can be pointed to again.
    """
    indices, total, x = [], 0.0, decoder.begin
    while len(indices) < length:
        if decoder.end is None and not decoder.count_left(indices, allow_repeats):
            break
        log_p, state = decoder.step(x, state, () if allow_repeats else indices)
        index = int(np.argmax(log_p))
        indices.append(index)
        total += log_p[index]
        if index == 0 and decoder.end is not None:
            break
        x = decoder.next_input(index)
    return indices, total
