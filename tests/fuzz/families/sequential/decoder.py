"""Recurrent decoders whose attention depends on the previous weights."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st
from keras import ops

import keras_attention as ka
from tests.fuzz.families.decoder_problem import (
    call_decoder,
    count_states,
    make_cell,
    make_problem,
)
from tests.fuzz.families.sequential.attention import (
    LOCATION_AWARE,
    MONOTONIC,
    Options,
    complete_options,
    make_equations,
    make_layer,
)
from tests.fuzz.references import sequential as equations
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths


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
    layer = ka.AttentionDecoder(
        make_cell(case),
        make_layer(case),
        attend="before" if case.attend == "before" else "after",
        input_feeding=case.attend == "feeding",
        output_mode="both",
        dtype=case.policy,
    )
    return make_problem(
        case,
        layer,
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        evaluate=lambda floats, fixed, weights: _evaluate(
            case, layer, floats, fixed, weights, count_states(case)
        ),
    )


def _call(case, layer, floats, fixed):
    outputs, alignments, state = call_decoder(case, layer, floats, fixed)
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
