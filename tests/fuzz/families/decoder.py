"""Recurrent decoders that attend at every step."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st
from keras import ops

import keras_attention as ka
from tests.fuzz.checking import Problem
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
    rng = case.rng()
    memory_batch = 1 if case.shared else case.batch
    options = {"implementation": case.implementation, "dtype": case.policy}
    if case.score == "additive":
        attention = ka.AdditiveAttention(case.units, **options)
    else:
        attention = ka.LuongAttention("general", units=case.vector, **options)
    cells = [
        {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}[kind](
            case.cell_units, dtype=case.policy
        )
        for kind in case.kinds
    ]
    cell = cells[0]
    if len(cells) > 1:
        cell = keras.layers.StackedRNNCells(cells, dtype=case.policy)
    layer = ka.AttentionDecoder(
        cell,
        attention,
        attend="before" if case.attend == "before" else "after",
        input_feeding=case.attend == "feeding",
        output_mode=case.output_mode,
        dtype=case.policy,
    )
    count = sum(equations.STATES[kind] for kind in case.kinds)
    inputs_mask = masks.sequence_mask(case.inputs_mask, rng, case.batch, case.steps)
    memory_mask = masks.sequence_mask(case.memory_mask, rng, memory_batch, case.keys)
    floats = {
        "inputs": case.draw(rng, case.batch, case.steps, case.width),
        "memory": case.draw(rng, memory_batch, case.keys, case.memory_width),
    }
    floats |= {f"state_{n}": rng.normal(size=(case.batch, case.cell_units)) for n in range(count)}
    poison = masks.invert_masks(case, inputs=inputs_mask, memory=memory_mask)
    return Problem(
        layer=layer,
        floats=floats,
        fixed={"inputs_mask": inputs_mask, "memory_mask": memory_mask},
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed, count),
        reference=lambda floats, fixed, weights, keep: _reference(
            case, layer, floats, fixed, weights, count
        ),
        poison=poison,
        unconnected=("*",),
    )


def _call(case, layer, floats, fixed, count):
    outputs, alignments, state = layer(
        floats["inputs"],
        floats["memory"],
        initial_state=[floats[f"state_{n}"] for n in range(count)],
        inputs_mask=fixed.get("inputs_mask"),
        memory_mask=fixed.get("memory_mask"),
        return_attention_scores=True,
        return_state=True,
    )
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
