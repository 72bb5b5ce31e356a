"""Recurrent decoders that attend at every step."""

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
from tests.fuzz.references import recurrent as equations
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """kinds: Kinds of the cells of a stack. attend: "before", "after" or "feeding"."""

    kinds: tuple = ("gru",)
    attend: str = "before"
    score: str = "additive"
    units: int = 3
    vector: int | None = None
    cell_units: int = 2
    output_mode: str | None = None
    implementation: str = "plain"
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
    return st.builds(
        Case,
        **settings(compiled),
        kinds=st.sampled_from([("gru",), ("lstm",), ("lstm", "gru")]),
        attend=st.sampled_from(["before", "after", "feeding"]),
        score=st.sampled_from(["additive", "general"]),
        units=st.sampled_from([3, 17]),
        vector=st.sampled_from([None, 2]),
        cell_units=st.integers(1, 3),
        output_mode=st.sampled_from([None, "cell", "attention", "both"]),
        implementation=st.sampled_from(["plain", "blockwise", "auto"]),
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
    change = {"vector": None} if case.score == "additive" else {}
    if case.order > 1:
        change["order"] = 2 if case.units == 17 and case.score == "additive" else 1
    if case.batch == 1:
        change["shared"] = False
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    options = {"implementation": case.implementation, "dtype": case.policy}
    if case.score == "additive":
        attention = ka.AdditiveAttention(case.units, **options)
    else:
        attention = ka.LuongAttention("general", units=case.vector, **options)
    layer = ka.AttentionDecoder(
        make_cell(case),
        attention,
        attend="before" if case.attend == "before" else "after",
        input_feeding=case.attend == "feeding",
        output_mode=case.output_mode,
        dtype=case.policy,
    )
    return make_problem(
        case,
        layer,
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        evaluate=lambda floats, fixed, weights: _reference(
            case, layer, floats, fixed, weights, count_states(case)
        ),
    )


def _call(case, layer, floats, fixed):
    outputs, alignments, state = call_decoder(case, layer, floats, fixed)
    state = [ops.cast(x, layer.compute_dtype) for x in keras.tree.flatten(state.cell)]
    return {"output": outputs, "weights": alignments, "state": ops.concatenate(state, axis=-1)}


def _reference(case, layer, floats, fixed, weights, count):
    by_path = {v.path: w for v, w in zip(layer.trainable_variables, weights, strict=True)}

    def select(variables):
        return [by_path[v.path] for v in variables]

    cells = getattr(layer.cell, "cells", [layer.cell])
    vector = [layer.attention.output_kernel] if case.vector else []
    parts = {
        "cell": [w for c in cells for w in select([c.kernel, c.recurrent_kernel, c.bias])],
        "score": select(layer.attention.score.trainable_variables),
        "vector": select(vector),
    }
    ones = np.ones((case.batch, case.steps), bool), np.ones((1, case.keys), bool)
    real, memory_real = fixed.get("inputs_mask", ones[0]), fixed.get("memory_mask", ones[1])
    cell_outputs, attended, rows, state = equations.decode(
        case.kinds,
        case.score,
        case.attend == "before",
        case.attend == "feeding",
        floats["inputs"],
        floats["memory"],
        real,
        memory_real,
        [floats[f"state_{n}"] for n in range(count)],
        parts,
    )
    mode = case.output_mode or ("cell" if case.attend == "before" else "attention")
    output = {
        "cell": cell_outputs,
        "attention": attended,
        "both": np.concatenate([cell_outputs, attended], axis=-1),
    }[mode]
    visible = real[:, :, None] & memory_real[:, None]
    return {"output": output, "weights": rows, "state": state, "zero": ~real, "visible": visible}
