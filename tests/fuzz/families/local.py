"""Luong's local attention, monotonic and predictive."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.families.dropout import RATE, append_identity, observe_keep
from tests.fuzz.references import local as equations
from tests.fuzz.references.query_value import luong_vectors, visible_pairs, zero_rows
from tests.fuzz.strategies import axes, masks
from tests.fuzz.strategies.setting import QueryValueCase, lengths, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(QueryValueCase):
    """positions: Whether the call gives the queries' positions. layout: One of `axes.LAYOUTS`."""

    alignment: str = "monotonic"
    score: str = "dot"
    window: int = 1
    units: int | None = None
    renormalize: bool = False
    layout: str = "one"
    positions: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled),
        alignment=st.sampled_from(["monotonic", "predictive"]),
        score=st.sampled_from(["dot", "general", "concat"]),
        window=st.integers(1, 6),
        units=st.sampled_from([None, 3]),
        renormalize=st.booleans(),
        implementation=st.sampled_from(["plain", "blockwise", "auto"]),
        inputs=st.sampled_from(["pair", "triple", "self"]),
        shared=st.sampled_from([False] * 5 + [True]),
        layout=axes.layouts(),
        positions=st.sampled_from([False, False, True]),
        queries=lengths(),
        keys=lengths(),
        width=widths(),
        **masks.query_value_fields(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = axes.complete_layout(case)
    if case.score != "concat":
        change["implementation"] = "plain"
    if case.alignment == "predictive":
        change["positions"] = False
    if case.inputs == "self":
        change |= {"queries": case.keys, "key_mask": case.query_mask, "shared": False}
    if case.dropout:
        change["units"] = None
    if case.batch == 1:
        change["shared"] = False
    if case.order > 1:
        change["order"] = 1
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    rng = case.rng()
    memory_batch = 1 if case.shared else case.batch
    value = case.draw(rng, memory_batch, case.keys, case.width)
    value = append_identity(value) if case.dropout else value
    width = case.width if case.inputs == "triple" else value.shape[-1]
    floats = {"value": value}
    if case.inputs != "self":
        floats = {"query": case.draw(rng, case.batch, case.queries, width)} | floats
    if case.inputs == "triple":
        floats["key"] = case.draw(rng, memory_batch, case.keys, width)
    query_mask = masks.sequence_mask(case.query_mask, rng, case.batch, case.queries)
    key_mask = masks.sequence_mask(case.key_mask, rng, memory_batch, case.keys)
    if case.inputs == "self":
        key_mask = query_mask
    pairs = masks.pair_mask(case.pair_mask, rng, case.batch, case.queries, case.keys)
    visible = visible_pairs(
        case.batch, case.queries, case.keys, query_mask, key_mask, pairs, case.causal
    )
    positions = None
    if case.positions:
        positions = rng.integers(0, case.keys + 2, (case.batch, case.queries)).astype("int32")
    poison = masks.invert_masks(
        case,
        query=query_mask if "query" in floats else None,
        value=key_mask,
        key=key_mask if "key" in floats else None,
    )
    layer = ka.LocalAttention(
        case.window,
        case.alignment,
        case.score,
        units=case.units,
        renormalize=case.renormalize,
        dropout=RATE if case.dropout else 0.0,
        seed=case.seed,
        implementation=case.implementation,
        dtype=case.policy,
    )
    return Problem(
        layer=layer,
        floats=floats,
        fixed={
            "query_mask": query_mask,
            "key_mask": key_mask,
            "pairs": pairs,
            "positions": positions,
        },
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _reference(
            case, floats, fixed, weights, keep, visible
        ),
        keep=observe_keep(case.keys, 1) if case.dropout else None,
        poison=poison,
        shared=("pairs",) if pairs is not None and pairs.ndim < 3 else (),
    )


def _call(case, layer, floats, fixed):
    floats, fixed = (axes.split_batches(case, arrays) for arrays in (floats, fixed))
    value, query, key = floats["value"], floats.get("query"), floats.get("key")
    inputs, mask = value, fixed.get("query_mask")
    if case.inputs != "self":
        inputs = [query, value] if key is None else [query, value, key]
        mask = [mask, fixed.get("key_mask")]
    results = layer(
        inputs,
        mask=mask,
        attention_mask=fixed.get("pairs"),
        use_causal_mask=case.causal,
        return_attention_scores=case.return_weights,
        training=case.dropout,
        positions=fixed.get("positions"),
    )
    results = results if case.return_weights else (results,)
    return axes.merge_batches(case, dict(zip(("output", "weights"), results, strict=False)))


def _reference(case, floats, fixed, weights, keep, visible):
    value = floats["value"]
    query, key = floats.get("query", value), floats.get("key", value)
    query_mask, weights = fixed.get("query_mask"), list(weights)
    kernel = weights.pop(0) if case.units else None
    positions = fixed.get("positions")
    if case.alignment == "predictive":
        positions = None
    elif positions is None:
        positions = equations.count_positions(query_mask, case.batch, case.queries)
    outputs, rows = equations.local(
        case.score,
        query,
        value,
        key,
        visible,
        positions,
        case.window,
        case.renormalize and case.alignment == "predictive",
        weights,
        None if keep is None else keep[:, 0] / (1 - RATE),
    )
    zero = ~visible.any(-1)
    if case.units:
        outputs = luong_vectors(outputs, query, kernel)
        zero = np.zeros_like(zero) if query_mask is None else ~query_mask
    results = {"output": zero_rows(outputs, query_mask), "zero": zero}
    if case.return_weights:
        results |= {"weights": rows, "visible": visible}
    return results
