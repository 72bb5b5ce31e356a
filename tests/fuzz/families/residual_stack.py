"""The deep stack of cells with residual connections, in a recurrent layer."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.families.decoder_problem import CELLS
from tests.fuzz.references import recurrent as equations
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import Setting, lengths, settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """kinds: Kinds of the cells. shared_width: Features of the input that every cell gets."""

    kinds: tuple = ("gru",)
    residual_from: int = 2
    shared_width: int = 0
    units: int = 1
    steps: int = 1
    inputs_mask: str = "none"


def cases(compiled):
    """Return the strategy of the cases."""
    kinds = st.sampled_from(["gru", "lstm"])
    return st.builds(
        Case,
        **settings(compiled),
        kinds=st.lists(kinds, min_size=1, max_size=4).map(tuple),
        residual_from=st.integers(0, 3),
        shared_width=st.integers(0, 2),
        units=st.integers(1, 3),
        steps=lengths(4),
        inputs_mask=masks.sequence_masks(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    return dataclasses.replace(case, order=min(case.order, 1))


def build(case):
    """Return the `Problem` of a case."""
    rng = case.rng()
    cells = [CELLS[kind](case.units, dtype=case.policy) for kind in case.kinds]
    stack = ka.ResidualStack(cells, case.residual_from, case.shared_width, dtype=case.policy)
    width = case.units + case.shared_width
    return Problem(
        layer=keras.layers.RNN(stack, return_sequences=True, dtype=case.policy),
        floats={"inputs": case.draw(rng, case.batch, case.steps, width)},
        fixed={"mask": masks.sequence_mask(case.inputs_mask, rng, case.batch, case.steps)},
        call=lambda layer, floats, fixed: {
            "output": layer(floats["inputs"], mask=fixed.get("mask"))
        },
        reference=lambda floats, fixed, weights, keep: _evaluate(
            case, floats["inputs"], fixed.get("mask"), weights
        ),
        unconnected=("*",),
    )


def _evaluate(case, inputs, mask, weights):
    mask = np.ones(inputs.shape[:2], bool) if mask is None else mask
    run = equations.add_inputs(case.kinds, weights, case.residual_from, case.units)
    outputs = []
    for sequence, is_real in zip(inputs, mask, strict=True):
        states = [
            [np.zeros(case.units) for _ in range(equations.STATES[kind])] for kind in case.kinds
        ]
        output, rows = np.zeros(case.units), []  # a masked step repeats the output before it
        for x, is_unmasked in zip(sequence, is_real, strict=True):
            if is_unmasked:
                output, states = run(x, states)
            rows.append(output)
        outputs.append(rows)
    return {"output": np.array(outputs)}
