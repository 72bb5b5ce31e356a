"""Additive, dot-product, Luong's and hard attention: one call of queries, values and keys."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.families.dropout import RATE, append_identity, observe_keep
from tests.fuzz.references import query_value as equations
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import QueryValueCase, lengths, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(QueryValueCase):
    """layer: "additive", "attention", "luong", or "hard"."""

    layer: str = "additive"
    score: str = "additive"
    normalize: str = "softmax"
    units: int | None = 3
    use_bias: bool = False
    key_width: int = 1
    value_width: int = 1


def additive_cases(compiled):
    return _cases(compiled, layer=st.just("additive"), score=st.just("additive"))


def dot_cases(compiled):
    scores = ["dot", "scaled_dot", "scale", "general", "cosine", "additive", "location", "concat"]
    return _cases(
        compiled,
        layer=st.sampled_from(["attention", "attention", "luong", "hard"]),
        score=st.sampled_from(scores),
    )


def _cases(compiled, **fields):
    return st.builds(
        Case,
        **settings(compiled),
        **fields,
        normalize=st.sampled_from(["softmax", "softmax", "sparsemax", "hardmax"]),
        units=st.sampled_from([3, None, 1, 17]),
        use_bias=st.booleans(),
        implementation=st.sampled_from(["plain", "blockwise", "blockwise", "auto"]),
        inputs=st.sampled_from(["pair", "pair", "triple", "self", "single"]),
        shared=st.sampled_from([False] * 5 + [True]),
        queries=lengths(),
        keys=lengths(),
        width=widths(),
        key_width=widths(),
        value_width=widths(),
        **masks.query_value_fields(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {}
    layer, score, normalize = case.layer, case.score, case.normalize
    if layer == "additive":
        normalize = "softmax"
    if layer == "luong":
        score = score if score in ("dot", "general", "location", "concat") else "general"
        normalize = "softmax"
    if layer in ("attention", "hard"):
        score = {"location": "dot", "concat": "additive"}.get(score, score)
        change["units"] = None if score != "additive" else case.units
    if layer == "hard":
        normalize, change["dropout"] = "hardmax", False
    if layer == "hard" and case.order:
        change["order"] = 0
    if score in ("cosine", "location") or (
        layer == "attention" and normalize != "softmax" and score != "additive"
    ):
        change["implementation"] = "plain"
    if layer == "hard" and score != "additive":
        change["implementation"] = "plain"
    if case.inputs == "single":
        change |= {"queries": 1, "causal": False}
    if case.inputs == "self":
        change |= {"queries": case.keys, "key_mask": case.query_mask, "shared": False}
    if case.inputs != "triple":
        change["key_width"] = case.value_width
    has_equal_widths = score in ("dot", "scaled_dot", "scale", "cosine")
    if case.inputs == "self" or has_equal_widths:
        change["width"] = change.get("key_width", case.key_width)
    if change.get("dropout", case.dropout) and layer == "luong":
        change["units"] = None  # the columns that show the dropout
    if case.batch == 1:
        change["shared"] = False
    if normalize == "hardmax" and case.values == "tiny":
        change["values"] = "normal"  # products of tiny numbers are zero in float32: all scores tie
    return dataclasses.replace(case, score=score, normalize=normalize, **change)


def _make_layer(case):
    options = {"dtype": case.policy, "implementation": case.implementation}
    if case.layer != "hard":
        options |= {"dropout": RATE if case.dropout else 0.0, "seed": case.seed}
    if case.layer == "additive":
        return ka.AdditiveAttention(case.units, use_bias=case.use_bias, **options)
    if case.layer == "luong":
        length = {"max_length": 4} if case.score == "location" else {}
        return ka.LuongAttention(case.score, units=case.units, **length, **options)
    score = case.score
    if score == "scale":
        score = ka.score.DotScore(use_scale=True, dtype=case.policy)
    if score == "additive":
        score = ka.score.AdditiveScore(case.units, use_bias=case.use_bias, dtype=case.policy)
    if case.layer == "hard":
        return ka.HardAttention(score, estimator="straight_through", **options)
    return ka.Attention(score, case.normalize, **options)


def build(case):
    """Return the `Problem` of a case."""
    rng = case.rng()
    memory_batch = 1 if case.shared else case.batch
    value = case.draw(rng, memory_batch, case.keys, case.value_width)
    key = value
    if case.inputs == "triple":
        key = case.draw(rng, memory_batch, case.keys, case.key_width)
    query = value if case.inputs == "self" else case.draw(rng, case.batch, case.queries, case.width)
    if case.dropout:
        value = append_identity(value)
        if case.inputs != "triple":
            key = value
        if case.inputs == "self":
            query = value
        elif case.inputs in ("pair", "single") and case.score in (
            "dot",
            "scaled_dot",
            "scale",
            "cosine",
        ):
            query = case.draw(rng, case.batch, case.queries, value.shape[-1])
    query_mask = masks.sequence_mask(case.query_mask, rng, case.batch, case.queries)
    key_mask = masks.sequence_mask(case.key_mask, rng, memory_batch, case.keys)
    if case.inputs == "self":
        key_mask = query_mask
    if case.inputs == "single" and query_mask is not None:
        query_mask = rng.random((case.batch, 1)) < 0.7
    pairs = masks.pair_mask(case.pair_mask, rng, case.batch, case.queries, case.keys)
    floats = {"value": value}
    if case.inputs != "self":
        floats = {"query": query[:, 0] if case.inputs == "single" else query} | floats
    if case.inputs == "triple":
        floats["key"] = key
    fixed = {"query_mask": query_mask, "key_mask": key_mask, "pairs": pairs}
    if case.inputs == "single":
        fixed["query_mask"] = None if query_mask is None else query_mask[:, 0]
        if pairs is not None:
            pairs = pairs[..., 0, :]
            fixed["pairs"] = pairs
    visible = equations.visible_pairs(
        case.batch,
        case.queries,
        case.keys,
        query_mask,
        key_mask,
        pairs[..., None, :] if case.inputs == "single" and pairs is not None else pairs,
        case.causal,
    )
    poison = masks.invert_masks(
        case,
        query=fixed["query_mask"] if "query" in floats else None,
        value=key_mask,
        key=key_mask if "key" in floats else None,
    )
    unconnected = ()
    if case.score == "location":
        unconnected += ("key",)
    if case.normalize == "hardmax":
        unconnected = ("query", "key", "*")
    shared = (
        ["pairs"] if pairs is not None and np.ndim(pairs) < 3 - (case.inputs == "single") else []
    )
    return Problem(
        layer=_make_layer(case),
        twin=_make_layer(dataclasses.replace(case, implementation="plain")),
        floats=floats,
        fixed=fixed,
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _reference(
            case, floats, fixed, weights, keep, visible, query_mask
        ),
        keep=observe_keep(case.keys, 1) if case.dropout else None,
        poison=poison,
        is_exact=case.values == "ties" and case.score == "dot",
        unconnected=unconnected,
        shared=tuple(shared),
    )


def _call(case, layer, floats, fixed):
    value, query, key = floats["value"], floats.get("query"), floats.get("key")
    masks_of = [fixed.get("query_mask"), fixed.get("key_mask")]
    if case.inputs == "self":
        inputs, mask = value, masks_of[0]
    else:
        inputs = [query, value] if key is None else [query, value, key]
        mask = masks_of
    results = layer(
        inputs,
        mask=mask,
        attention_mask=fixed.get("pairs"),
        use_causal_mask=case.causal,
        return_attention_scores=case.return_weights,
        training=case.dropout,
    )
    if case.return_weights:
        return {"output": results[0], "weights": results[1]}
    return {"output": results}


def _reference(case, floats, fixed, weights, keep, visible, query_mask):
    value = floats["value"]
    query = floats.get("query", value)
    query = query[:, None] if query.ndim == 2 else query
    key = floats.get("key", value)
    weights = list(weights)
    has_vector = case.layer == "luong" and case.units is not None
    kernel = weights.pop(0) if has_vector else None
    if keep is not None:
        keep = keep[:, 0] / (1 - RATE)
    outputs, rows = equations.attend(
        lambda q, k: equations.SCORES[case.score](q, k, *weights),
        equations.WEIGH[case.normalize],
        query,
        value,
        key,
        visible,
        keep,
    )
    zero = ~visible.any(-1)
    if has_vector:
        outputs = equations.luong_vectors(outputs, query, kernel)
        zero = np.zeros_like(zero) if query_mask is None else ~query_mask
    outputs = equations.zero_rows(outputs, query_mask)
    if case.score == "location":
        visible = visible & (np.arange(case.keys) < 4)
        zero = zero if has_vector else ~visible.any(-1)
    if case.layer == "hard":  # the weights are those of the softmax, the context is the mode's
        _, rows = equations.attend(
            lambda q, k: equations.SCORES[case.score](q, k, *weights),
            equations.WEIGH["softmax"],
            query,
            value,
            key,
            visible,
        )
    results = {"output": outputs, "zero": zero, "visible": visible}
    if case.return_weights:
        results["weights"] = rows
    if case.inputs == "single":
        results = {k: v[:, 0] for k, v in results.items()}
    return results
