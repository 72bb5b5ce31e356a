"""Recurrent decoders of a batch that attend at every step (Bahdanau 2015, Luong 2015)."""

import numpy as np

from tests import reference, reference_recurrent
from tests.fuzz.references.query_value import SCORES

CELLS = {"gru": reference_recurrent.gru, "lstm": reference_recurrent.lstm}
STATES = {"gru": 1, "lstm": 2}


def make_cell(kinds, weights):
    """Return a cell with three weights, or a stack of several cells with three weights each."""
    cells = []
    for number, kind in enumerate(kinds):
        parts = weights[3 * number : 3 * number + 3]
        cells.append(lambda x, state, kind=kind, parts=parts: CELLS[kind](x, state, *parts))
    return cells[0] if len(cells) == 1 else reference_recurrent.stack(*cells)


def add_inputs(kinds, weights, residual_from, width):
    """Return a stack of cells that all get the last features of the input (Wu et al. 2016).

    Args:
        kinds: Kinds of the cells, the lowest first.
        weights: Three weights for each cell.
        residual_from: Number of the first cell whose input is added to its output.
        width: Number of the first features of the input, which only the lowest cell gets.
    """

    def step(x, states):
        below, shared, next_states = x[:width], x[width:], []
        for number, kind in enumerate(kinds):
            parts = weights[3 * number : 3 * number + 3]
            output, state = CELLS[kind](np.array([*below, *shared]), states[number], *parts)
            below = output + below if number >= residual_from else output
            next_states.append(state)
        return below, next_states

    return step


def pack_state(kinds, tensors):
    """Return a flat list of states in the structure of the cell: nested, if it is a stack."""
    tensors, nested = list(tensors), []
    for kind in kinds:
        nested.append([tensors.pop(0) for _ in range(STATES[kind])])
    return nested[0] if len(kinds) == 1 else nested


def flatten_state(kinds, state):
    """Return the state's tensors as one vector."""
    parts = [state] if len(kinds) == 1 else state
    return np.concatenate([tensor for part in parts for tensor in part])


def decode(
    kinds, score, attend_before, feeding, inputs, memory, inputs_mask, memory_mask, state, weights
):
    """Return cell outputs, attention outputs, alignments and last states of a batch.

    Args:
        kinds: Kinds of the cells, the lowest first.
        score: "additive" or "general".
        attend_before: True if the previous state is the query, as in Bahdanau et al.
        feeding: True if the attention's output is part of the next input.
        inputs, memory: `(batch, T, D)`; inputs_mask, memory_mask: Their masks.
        state: List of `(batch, n)`.
        weights: Dict of lists: those of the "cell", the "score" and "vector", the kernel of h~.
    """
    results = []
    for b, x in enumerate(inputs):
        memory_rows = memory[b % len(memory)]
        mask = memory_mask[b % len(memory_mask)]
        run = make_cell(kinds, weights["cell"])

        def attend(query, memory_rows=memory_rows, mask=mask):
            zeroed_memory = memory_rows * mask[:, None]
            if not mask.any():
                zeroed_query = np.zeros(np.shape(query))
            else:
                zeroed_query = query
            scores = SCORES[score]([zeroed_query], zeroed_memory, *weights["score"])
            (context,), (row,) = reference.attention(scores, zeroed_memory, [mask])
            if weights["vector"]:
                kernel = weights["vector"][0]
                context = reference_recurrent.attentional_vector(context, query, kernel)
            return context, row

        first = pack_state(kinds, [s[b] for s in state])
        if attend_before:
            steps = reference_recurrent.decode_before(
                x * inputs_mask[b][:, None],
                inputs_mask[b],
                first,
                run,
                attend,
                (lambda s: s[0]) if len(kinds) == 1 else (lambda s: s[-1][0]),
            )
        else:
            width = weights["vector"][0].shape[1] if weights["vector"] else memory.shape[-1]
            attentional = np.zeros(width) if feeding else None
            steps = reference_recurrent.decode_after(
                x * inputs_mask[b][:, None], inputs_mask[b], first, run, attend, attentional
            )
        *parts, last = steps
        results.append((*parts, flatten_state(kinds, last)))
    return [np.array(part) for part in zip(*results, strict=True)]
