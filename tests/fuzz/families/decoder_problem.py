"""What the families of recurrent decoders share: cells, inputs and the call of the layer."""

import keras

from tests.fuzz.checking import Problem
from tests.fuzz.references.recurrent import STATES
from tests.fuzz.strategies import masks

CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}


def make_cell(case):
    """Return the cell of a case, a stack if it has several kinds."""
    cells = [CELLS[kind](case.cell_units, dtype=case.policy) for kind in case.kinds]
    if len(cells) == 1:
        return cells[0]
    return keras.layers.StackedRNNCells(cells, dtype=case.policy)


def count_states(case):
    """Return the number of states of the case's cell."""
    return sum(STATES[kind] for kind in case.kinds)


def make_problem(case, layer, call, evaluate):
    """Draw inputs, memory, masks and initial states of a case; return its `Problem`.

    Args:
        case: The case.
        layer: The decoder.
        call: Function `(layer, floats, fixed)` that returns the outputs by name.
        evaluate: Function `(floats, fixed, weights)` that returns those of the equations.
    """
    rng = case.rng()
    memory_batch = 1 if case.shared else case.batch
    inputs_mask = masks.sequence_mask(case.inputs_mask, rng, case.batch, case.steps)
    memory_mask = masks.sequence_mask(case.memory_mask, rng, memory_batch, case.keys)
    floats = {
        "inputs": case.draw(rng, case.batch, case.steps, case.width),
        "memory": case.draw(rng, memory_batch, case.keys, case.memory_width),
    }
    for n in range(count_states(case)):
        floats[f"state_{n}"] = rng.normal(size=(case.batch, case.cell_units))
    return Problem(
        layer=layer,
        floats=floats,
        fixed={"inputs_mask": inputs_mask, "memory_mask": memory_mask},
        call=call,
        reference=lambda floats, fixed, weights, keep: evaluate(floats, fixed, weights),
        poison=masks.invert_masks(case, inputs=inputs_mask, memory=memory_mask),
        unconnected=("*",),
    )


def call_decoder(case, layer, floats, fixed):
    """Return outputs, alignments and the final state of a decoder."""
    return layer(
        floats["inputs"],
        floats["memory"],
        initial_state=[floats[f"state_{n}"] for n in range(count_states(case))],
        inputs_mask=fixed.get("inputs_mask"),
        memory_mask=fixed.get("memory_mask"),
        return_attention_scores=True,
        return_state=True,
    )
