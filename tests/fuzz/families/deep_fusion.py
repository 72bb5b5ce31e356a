"""The decoder that attends to its own past and fuses the memory's cells into its own."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import lstmn as equations
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """spare: What `max_length` is above the number of steps."""

    units: int = 1
    spare: int = 0
    attention_units: int | None = None
    shared: bool = False
    steps: int = 1
    width: int = 1
    keys: int = 1
    memory_width: int = 1
    inputs_mask: str = "none"
    memory_mask: str = "none"
    poison: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled),
        units=st.integers(1, 3),
        spare=st.integers(0, 2),
        attention_units=st.sampled_from([None, 1, 4]),
        shared=st.sampled_from([False] * 4 + [True]),
        steps=lengths(4),
        width=widths(),
        keys=lengths(4),
        memory_width=widths(),
        inputs_mask=masks.sequence_masks(),
        memory_mask=masks.sequence_masks(),
        poison=st.booleans(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    return dataclasses.replace(
        case, shared=case.shared and case.batch > 1, order=min(case.order, 1)
    )


def build(case):
    """Return the `Problem` of a case."""
    rng, memory_batch = case.rng(), 1 if case.shared else case.batch
    inputs_mask = masks.sequence_mask(case.inputs_mask, rng, case.batch, case.steps)
    memory_mask = masks.sequence_mask(case.memory_mask, rng, memory_batch, case.keys)
    layer = ka.DeepFusionDecoder(
        case.units, case.steps + case.spare, case.attention_units, dtype=case.policy
    )
    return Problem(
        layer=layer,
        floats={
            "inputs": case.draw(rng, case.batch, case.steps, case.width),
            "memory": case.draw(rng, memory_batch, case.keys, case.memory_width),
            "memory_cells": case.draw(rng, memory_batch, case.keys, case.units),
        },
        fixed={"inputs_mask": inputs_mask, "memory_mask": memory_mask},
        call=_call,
        reference=lambda floats, fixed, weights, keep: _evaluate(
            case, layer, floats, fixed, weights
        ),
        poison=masks.invert_masks(
            case, inputs=inputs_mask, memory=memory_mask, memory_cells=memory_mask
        ),
        unconnected=("*",),
    )


def _call(layer, floats, fixed):
    output, alignments = layer(
        floats["inputs"],
        floats["memory"],
        floats["memory_cells"],
        inputs_mask=fixed.get("inputs_mask"),
        memory_mask=fixed.get("memory_mask"),
        return_attention_scores=True,
    )
    return {"output": output, "weights": alignments}


def _evaluate(case, layer, floats, fixed, weights):
    by_path = {v.path: w for v, w in zip(layer.trainable_variables, weights, strict=True)}
    parts = {
        "gate": [layer.gate_kernel, layer.gate_bias],
        "cell": layer.cell.trainable_variables,
        "score": layer.score.trainable_variables,
    }
    parts = {name: [by_path[v.path] for v in variables] for name, variables in parts.items()}
    real = fixed.get("inputs_mask", np.ones((case.batch, case.steps), bool))
    memory_real = fixed.get("memory_mask", np.ones((1, case.keys), bool))
    source, rows = (floats["memory"], floats["memory_cells"], memory_real), []
    for b, x in enumerate(floats["inputs"]):
        memory, cells, is_key = (x[b % len(x)] for x in source)
        length = case.steps + case.spare
        rows.append(equations.fuse(x, real[b], memory, cells, is_key, parts, length))
    outputs, alignments = (np.array(part) for part in zip(*rows, strict=True))
    visible = real[:, :, None] & memory_real[:, None]
    return {"output": outputs, "weights": alignments, "zero": ~real, "visible": visible}
