"""The LSTMN of Cheng et al. (2016), which attends to all of its past, for one sequence."""

from typing import NamedTuple

import numpy as np

from tests import reference
from tests.reference_recurrent import sigmoid


class Past(NamedTuple):
    """hidden, cells: Those of the steps that are kept; summary: s of the last step."""

    hidden: list
    cells: list
    summary: np.ndarray


def start(units):
    """Return the past before the first step."""
    return Past([], [], np.zeros(units))


def step(x, past, weights, max_length, added_cell=None):
    """Run equations 5 to 10 for one step.

    Args:
        x: `(D,)`.
        past: A `Past`.
        weights: kernel and bias of the gates i, f, o, g; query kernel, key kernel and scale.
        max_length: Number of steps that are kept.
        added_cell: What equation 15 adds to the cell, or None.

    Returns:
        h_t, the weights of the past `(max_length,)`, c_t, and the next `Past`.
    """
    kernel, bias, query_kernel, key_kernel, scale = weights
    row, summary, memory = np.zeros(max_length), 0 * past.summary, 0 * past.summary
    if past.hidden:
        query = [[*x, *past.summary]]
        (scores,) = reference.additive(query, past.hidden, query_kernel, key_kernel, scale)
        for i, weight in enumerate(reference.softmax(scores)):
            row[i] = weight
            summary = summary + weight * past.hidden[i]
            memory = memory + weight * past.cells[i]
    i, f, o, g = np.split(reference.times([*x, *summary], kernel) + bias, 4)
    cell = sigmoid(f) * memory + sigmoid(i) * reference.tanh(g)
    if added_cell is not None:
        cell = cell + added_cell
    hidden = sigmoid(o) * reference.tanh(cell)
    hiddens, cells = past.hidden, past.cells
    if len(hiddens) < max_length:
        hiddens, cells = [*hiddens, hidden], [*cells, cell]
    return hidden, row, cell, Past(hiddens, cells, summary)


def read(inputs, mask, weights, units, max_length):
    """Return h, weights and c of every step `(T, n)`; a masked step repeats those before it."""
    past, parts, rows = start(units), None, []
    for x, is_real in zip(inputs, mask, strict=True):
        if is_real:
            *parts, past = step(x, past, weights, max_length)
        zeros = [np.zeros(units), np.zeros(max_length), np.zeros(units)]
        rows.append(parts or zeros)
    return [np.array(part) for part in zip(*rows, strict=True)]


def fuse(inputs, mask, memory, memory_cells, memory_mask, weights, max_length):
    """Return h and the alignments of the decoder of section 4, equations 11 to 15.

    Args:
        inputs: `(T, D)`; mask: bool `(T,)`.
        memory: `(S, Dm)`; memory_cells: `(S, units)`; memory_mask: bool `(S,)`.
        weights: Dict of lists: kernel and bias of the "gate", those of the "cell" as in `step`,
            and query kernel, key kernel and scale of the "score".
        max_length: As in `step`.
    """
    (gate_kernel, gate_bias), units = weights["gate"], memory_cells.shape[1]
    past, context, outputs, rows = start(units), np.zeros(memory.shape[1]), [], []
    for x, is_real in zip(inputs, mask, strict=True):
        if not is_real:
            outputs.append(np.zeros(units))
            rows.append(np.zeros(len(memory)))
            continue
        scores = reference.additive([[*x, *context]], memory, *weights["score"])
        (row,) = reference.row_by_row(reference.softmax, scores, [memory_mask])
        context, cell = np.zeros(memory.shape[1]), np.zeros(units)
        for j, weight in enumerate(row):
            if memory_mask[j]:
                context, cell = context + weight * memory[j], cell + weight * memory_cells[j]
        gate = sigmoid(reference.times([*x, *context], gate_kernel) + gate_bias)
        hidden, _, _, past = step(x, past, weights["cell"], max_length, gate * cell)
        outputs.append(hidden)
        rows.append(row)
    return np.array(outputs), np.array(rows)
