"""Recurrent decoders whose attention depends on the previous weights."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st
from keras import ops

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.families.sequential.attention import (
    LOCATION_AWARE,
    MONOTONIC,
    Options,
    complete_options,
    make_equations,
    make_layer,
)
from tests.fuzz.references import recurrent
from tests.fuzz.references import sequential as equations
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths

CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Options, Setting):
    """kinds: Kinds of the cells of a stack. attend: "before", "after" or "feeding"."""

    kinds: tuple = ("gru",)
    attend: str = "before"
    cell_units: int = 2
    shared: bool = False
    steps: int = 1
    keys: int = 1
    width: int = 1
    memory_width: int = 1
    inputs_mask: str = "none"
    memory_mask: str = "none"
    poison: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.one_of(_cases(compiled, options) for options in (LOCATION_AWARE, MONOTONIC))


def _cases(compiled, options):
    return st.builds(
        Case,
        **settings(compiled),
        **options,
        kinds=st.sampled_from([("gru",), ("lstm",), ("lstm", "gru")]),
        attend=st.sampled_from(["before", "after", "feeding"]),
        cell_units=st.integers(1, 3),
        shared=st.sampled_from([False] * 5 + [True]),
        steps=lengths(5),
        keys=lengths(6),
        width=widths(),
        memory_width=widths(),
        inputs_mask=masks.sequence_masks(),
        memory_mask=masks.sequence_masks(),
        poison=st.booleans(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = complete_options(case)
    if case.batch == 1:
        change["shared"] = False
    # A hard choice by an energy that is zero but for rounding is not defined.
    if not case.is_location_aware and case.weights == "ties":
        change["weights"] = "normal"
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    rng = case.rng()
    memory_batch = 1 if case.shared else case.batch
    cells = [CELLS[kind](case.cell_units, dtype=case.policy) for kind in case.kinds]
    stack = keras.layers.StackedRNNCells(cells, dtype=case.policy)
    layer = ka.AttentionDecoder(
        stack if len(cells) > 1 else cells[0],
        make_layer(case),
        attend="before" if case.attend == "before" else "after",
        input_feeding=case.attend == "feeding",
        output_mode="both",
        dtype=case.policy,
    )
    count = sum(recurrent.STATES[kind] for kind in case.kinds)
    inputs_mask = masks.sequence_mask(case.inputs_mask, rng, case.batch, case.steps)
    memory_mask = masks.sequence_mask(case.memory_mask, rng, memory_batch, case.keys)
    floats = {
        "inputs": case.draw(rng, case.batch, case.steps, case.width),
        "memory": case.draw(rng, memory_batch, case.keys, case.memory_width),
    }
    floats |= {f"state_{n}": rng.normal(size=(case.batch, case.cell_units)) for n in range(count)}
    return Problem(
        layer=layer,
        floats=floats,
        fixed={"inputs_mask": inputs_mask, "memory_mask": memory_mask},
        call=lambda layer, floats, fixed: _call(layer, floats, fixed, count),
        reference=lambda floats, fixed, weights, keep: _evaluate(
            case, layer, floats, fixed, weights, count
        ),
        poison=masks.invert_masks(case, inputs=inputs_mask, memory=memory_mask),
        unconnected=("*",),
    )


def _call(layer, floats, fixed, count):
    outputs, alignments, state = layer(
        floats["inputs"],
        floats["memory"],
        initial_state=[floats[f"state_{n}"] for n in range(count)],
        inputs_mask=fixed.get("inputs_mask"),
        memory_mask=fixed.get("memory_mask"),
        return_attention_scores=True,
        return_state=True,
    )
    cell_state = [ops.cast(x, layer.compute_dtype) for x in keras.tree.flatten(state.cell)]
    return {
        "output": outputs,
        "weights": alignments,
        "state": ops.concatenate(cell_state, axis=-1),
        "carry": ops.concatenate(keras.tree.flatten(state.carry), axis=-1),
    }


def _evaluate(case, layer, floats, fixed, weights, count):
    by_path = {v.path: w for v, w in zip(layer.trainable_variables, weights, strict=True)}

    def select(variables):
        return [by_path[v.path] for v in variables]

    cells = getattr(layer.cell, "cells", [layer.cell])
    is_real = fixed.get("inputs_mask", np.ones((case.batch, case.steps), bool))
    is_key_real = fixed.get("memory_mask", np.ones((1, case.keys), bool))
    cell_outputs, contexts, rows, state, carry = equations.decode(
        make_equations(case, select(layer.attention.trainable_variables)),
        case.kinds,
        case.attend,
        floats["inputs"],
        floats["memory"],
        is_real,
        is_key_real,
        [floats[f"state_{n}"] for n in range(count)],
        [w for c in cells for w in select([c.kernel, c.recurrent_kernel, c.bias])],
    )
    if case.is_location_aware and not case.cumulative:
        carry = carry[:, : case.keys]  # the sum of the weights is not part of the carry
    return {
        "output": np.concatenate([cell_outputs, contexts], axis=-1),
        "weights": rows,
        "state": state,
        "carry": carry,
        "zero": ~is_real,
        "visible": is_real[:, :, None] & is_key_real[:, None],
    }
