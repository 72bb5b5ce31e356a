"""The cell that attends to its own past, in a recurrent layer and in a decoder."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests import reference, reference_recurrent
from tests.fuzz.checking import Problem
from tests.fuzz.references import lstmn as equations
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """attend: "none" for the cell in a recurrent layer; "before" or "after" in a decoder."""

    attend: str = "none"
    units: int = 1
    max_length: int = 1
    attention_units: int | None = None
    return_weights: bool = False
    return_cells: bool = False
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
        attend=st.sampled_from(["none", "none", "before", "after"]),
        units=st.integers(1, 3),
        max_length=st.integers(1, 5),
        attention_units=st.sampled_from([None, 1, 4]),
        return_weights=st.booleans(),
        return_cells=st.booleans(),
        steps=lengths(5),
        width=widths(),
        keys=lengths(4),
        memory_width=widths(),
        inputs_mask=masks.sequence_masks(),
        memory_mask=masks.sequence_masks(),
        poison=st.booleans(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {"order": min(case.order, 1)} if case.attend != "none" else {}
    if case.attend == "none":  # a masked step of Keras's layer has a gradient of NaN from NaN
        change["poison"] = False
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    rng, options = case.rng(), {"dtype": case.policy}
    inputs_mask = masks.sequence_mask(case.inputs_mask, rng, case.batch, case.steps)
    memory_mask = masks.sequence_mask(case.memory_mask, rng, case.batch, case.keys)
    cell = ka.LSTMNCell(
        case.units,
        case.max_length,
        case.attention_units,
        return_weights=case.return_weights,
        return_cells=case.return_cells,
        **options,
    )
    floats = {"inputs": case.draw(rng, case.batch, case.steps, case.width)}
    if case.attend == "none":
        layer, memory_mask = keras.layers.RNN(cell, return_sequences=True, **options), None
    else:
        attention = ka.AdditiveAttention(2, **options)
        layer = ka.AttentionDecoder(cell, attention, case.attend, output_mode="cell", **options)
        floats["memory"] = case.draw(rng, case.batch, case.keys, case.memory_width)
    return Problem(
        layer=layer,
        floats=floats,
        fixed={"inputs_mask": inputs_mask, "memory_mask": memory_mask},
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _evaluate(
            case, layer, cell, floats, fixed, weights
        ),
        poison=masks.invert_masks(case, inputs=inputs_mask, memory=memory_mask),
        unconnected=("*",),
    )


def _call(case, layer, floats, fixed):
    if case.attend == "none":
        return {"output": layer(floats["inputs"], mask=fixed.get("inputs_mask"))}
    output, alignments = layer(
        floats["inputs"],
        floats["memory"],
        inputs_mask=fixed.get("inputs_mask"),
        memory_mask=fixed.get("memory_mask"),
        return_attention_scores=True,
    )
    return {"output": output, "weights": alignments}


def _evaluate(case, layer, cell, floats, fixed, weights):
    by_path = {v.path: w for v, w in zip(layer.trainable_variables, weights, strict=True)}
    parts = [by_path[v.path] for v in cell.trainable_variables]
    inputs = floats["inputs"]
    real = fixed.get("inputs_mask", np.ones(inputs.shape[:2], bool))
    if case.attend == "none":
        rows = [
            equations.read(*pair, parts, case.units, case.max_length)
            for pair in zip(inputs, real, strict=True)
        ]
        return {"output": np.array([_join(case, row) for row in rows])}
    score = [by_path[v.path] for v in layer.attention.trainable_variables]
    memory_real = fixed.get("memory_mask", np.ones((case.batch, case.keys), bool))
    decoded = [
        _decode(case, *row, score, parts)
        for row in zip(inputs, real, floats["memory"], memory_real, strict=True)
    ]
    outputs, alignments = (np.array(part) for part in zip(*decoded, strict=True))
    visible = real[:, :, None] & memory_real[:, None]
    return {"output": outputs, "weights": alignments, "zero": ~real, "visible": visible}


def _join(case, parts):
    """Return h, and the weights and c if the cell returns them, as one output."""
    is_returned = True, case.return_weights, case.return_cells
    return np.concatenate([x for x, flag in zip(parts, is_returned, strict=True) if flag], axis=-1)


def _decode(case, inputs, mask, memory, memory_mask, score, weights):
    """Return the outputs and alignments of one sequence."""

    def attend(output):
        query = output[: case.units] * memory_mask.any()
        keys = memory * memory_mask[:, None]
        scores = reference.additive([query], keys, *score)
        (context,), (row,) = reference.attention(scores, keys, [memory_mask])
        return context, row

    def run(x, state):
        *parts, past = equations.step(x, state[1], weights, case.max_length)
        output = _join(case, parts)
        return output, (output, past)

    width = case.units * (1 + case.return_cells) + case.max_length * case.return_weights
    state = np.zeros(width), equations.start(case.units)
    arguments = inputs * mask[:, None], mask, state, run, attend
    if case.attend == "before":
        output, _, rows, _ = reference_recurrent.decode_before(*arguments, lambda state: state[0])
    else:
        output, _, rows, _ = reference_recurrent.decode_after(*arguments)
    return output, rows
