"""Layers, inputs and equations of a case that is called with all queries."""

from tests.fuzz.checking import Problem
from tests.fuzz.families.dropout import RATE, append_identity, observe_keep
from tests.fuzz.families.sequential.attention import make_equations, make_layer
from tests.fuzz.families.sequential.case import Case
from tests.fuzz.references import sequential as equations
from tests.fuzz.references.query_value import visible_pairs, zero_rows
from tests.fuzz.strategies import masks


def build(case: Case) -> Problem:
    """Return the `Problem` of a case."""
    rng = case.rng()
    memory_batch = 1 if case.shared else case.batch
    value = case.draw(rng, memory_batch, case.keys, case.value_width)
    value = append_identity(value) if case.dropout else value
    floats = {"value": value}
    if case.inputs != "self":
        floats = {"query": case.draw(rng, case.batch, case.queries, case.width)} | floats
    if case.inputs == "triple":
        floats["key"] = case.draw(rng, memory_batch, case.keys, case.key_width)
    query_mask = masks.sequence_mask(case.query_mask, rng, case.batch, case.queries)
    key_mask = masks.sequence_mask(case.key_mask, rng, memory_batch, case.keys)
    if case.inputs == "self":
        key_mask = query_mask
    pairs = masks.pair_mask(case.pair_mask, rng, case.batch, case.queries, case.keys)
    visible = visible_pairs(
        case.batch, case.queries, case.keys, query_mask, key_mask, pairs, case.causal
    )
    noise = None
    if case.training == "noise":
        noise = rng.normal(size=(case.batch, case.queries, case.keys)).astype("float32")
    fixed = {"query_mask": query_mask, "key_mask": key_mask, "pairs": pairs, "noise": noise}
    if case.inputs == "single":
        floats["query"] = floats["query"][:, 0]
        fixed["query_mask"] = None if query_mask is None else query_mask[:, 0]
        fixed["pairs"] = None if pairs is None else pairs[..., 0, :]
        fixed["noise"] = None if noise is None else noise[:, 0]
    poison = masks.invert_masks(
        case,
        query=fixed["query_mask"] if "query" in floats else None,
        value=key_mask,
        key=key_mask if "key" in floats else None,
    )
    is_hard = not case.is_location_aware and case.inference == "hard" and case.training == "no"
    is_shared = pairs is not None and fixed["pairs"].ndim < 3 - (case.inputs == "single")
    return Problem(
        layer=make_layer(case, case.dropout, noise=0.0 if case.training == "call" else 1.0),
        floats=floats,
        fixed=fixed,
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _evaluate(
            case, floats, weights, keep, visible, query_mask, noise
        ),
        keep=observe_keep(case.keys, 1) if case.dropout else None,
        poison=poison,
        unconnected=("*",) if is_hard else (),  # a choice has no gradient
        shared=("pairs",) if is_shared else (),
    )


def _call(case, layer, floats, fixed):
    value, query, key = floats["value"], floats.get("query"), floats.get("key")
    if case.inputs == "self":
        inputs, mask = value, fixed.get("query_mask")
    else:
        inputs = [query, value] if key is None else [query, value, key]
        mask = [fixed.get("query_mask"), fixed.get("key_mask")]
    options = {"attention_mask": fixed.get("pairs"), "use_causal_mask": case.causal}
    if "noise" in fixed:  # the equations need the noise that the layer would draw
        layer.perturbation.sample = lambda query, memory: fixed["noise"]
    results = layer(
        inputs,
        mask=mask,
        return_attention_scores=case.return_weights,
        training=case.training != "no",
        **options,
    )
    results = results if case.return_weights else (results,)
    return dict(zip(("output", "weights"), results, strict=False))


def _evaluate(case, floats, weights, keep, visible, query_mask, noise):
    value = floats["value"]
    query, key = floats.get("query", value), floats.get("key", value)
    query = query[:, None] if query.ndim == 2 else query
    attention = make_equations(case, weights, is_training=case.training != "no")
    keep = None if keep is None else keep[:, 0] / (1 - RATE)
    output, rows = equations.attend(attention, query, value, key, visible, noise, keep)
    results = {
        "output": zero_rows(output, query_mask),
        "zero": ~visible.any(-1),
        "visible": visible,
    }
    if case.return_weights:
        results["weights"] = rows
    if case.inputs == "single":
        results = {k: v[:, 0] for k, v in results.items()}
    return results
