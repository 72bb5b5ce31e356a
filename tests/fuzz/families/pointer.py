"""Pointer networks with teacher forcing."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import pointer as equations
from tests.fuzz.strategies import masks, values
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """padded: Whether some targets are negative, which marks padded steps."""

    units: int = 2
    end_slot: bool = False
    implementation: str = "plain"
    steps: int = 1
    elements: int = 1
    width: int = 1
    memory_width: int = 1
    memory_mask: str = "none"
    mask_visited: bool = False
    padded: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled, max_order=1),
        units=st.sampled_from([2, 1, 17]),
        end_slot=st.booleans(),
        implementation=st.sampled_from(["plain", "blockwise", "auto"]),
        steps=lengths(5),
        elements=lengths(6),
        width=widths(),
        memory_width=widths(),
        memory_mask=st.sampled_from(["none", "none", "right", "left", "random", "one"]),
        mask_visited=st.booleans(),
        padded=st.booleans(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    large = case.values in ("large", "outlier")
    return dataclasses.replace(case, values="normal" if large and case.is_half else case.values)


def build(case):
    """Return the `Problem` of a case."""
    rng = case.rng()

    def draw(width):
        shape = (case.batch, case.elements, width)
        return values.draw(case.values, rng, shape, case.dtype)

    memory_mask = masks.sequence_mask(case.memory_mask, rng, case.batch, case.elements)
    real = np.ones((case.batch, case.elements), bool) if memory_mask is None else memory_mask
    first = 1 if case.end_slot else 0
    targets = np.zeros((case.batch, case.steps), "int32")
    for b, row in enumerate(real):
        choices = [0] * first + [j + first for j in np.flatnonzero(row)] or [0]
        targets[b] = rng.choice(choices, size=case.steps)
    if case.padded:
        targets[rng.random(targets.shape) < 0.3] = -1
    floats = {"memory": draw(case.memory_width), "points": draw(case.width)}
    floats |= {f"state_{n}": rng.normal(size=(case.batch, case.units)) for n in (0, 1)}
    layer = ka.PointerDecoder(
        case.units, end_slot=case.end_slot, implementation=case.implementation, dtype=case.policy
    )
    return Problem(
        layer=layer,
        floats=floats,
        fixed={"targets": targets, "memory_mask": memory_mask},
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _reference(
            case, layer, floats, fixed, weights
        ),
        unconnected=("*",),
    )


def _call(case, layer, floats, fixed):
    log_probabilities, weights = layer(
        fixed["targets"],
        floats["memory"],
        floats["points"],
        initial_state=[floats["state_0"], floats["state_1"]],
        memory_mask=fixed.get("memory_mask"),
        mask_visited=case.mask_visited,
        return_attention_scores=True,
    )
    return {"log_probabilities": log_probabilities, "weights": weights}


def _reference(case, layer, floats, fixed, weights):
    parts = name_weights(layer, weights)
    real = fixed.get("memory_mask", np.ones(floats["memory"].shape[:2], bool))
    rows, visible = equations.teacher_forced(
        parts,
        fixed["targets"],
        floats["memory"],
        floats["points"],
        real,
        [floats["state_0"], floats["state_1"]],
        case.mask_visited,
    )
    weights = np.where(visible, np.exp(np.minimum(rows, 0)), 0)
    return {"log_probabilities": rows, "weights": weights, "visible": visible}


def name_weights(layer, weights):
    """Return a pointer decoder's weights by the names that the equations take."""
    by_path = {v.path: w for v, w in zip(layer.trainable_variables, weights, strict=True)}
    cell, score = layer.cell, layer.score
    return {
        "begin": by_path[layer.begin.path],
        "end": by_path[layer.end.path] if layer.end_slot else None,
        "cell": [by_path[v.path] for v in (cell.kernel, cell.recurrent_kernel, cell.bias)],
        "score": [by_path[v.path] for v in (score.query_kernel, score.key_kernel, score.scale)],
    }
