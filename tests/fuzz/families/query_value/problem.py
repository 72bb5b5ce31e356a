"""Layers and inputs of a query/value case."""

import dataclasses

import numpy as np

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.families.dropout import RATE, append_identity, observe_keep
from tests.fuzz.families.query_value.case import ADDITIVE_SCORES, Case
from tests.fuzz.families.query_value.evaluate import call, evaluate
from tests.fuzz.references import query_value as equations
from tests.fuzz.strategies import masks


def _make_layer(case):
    is_normalized = case.score == "normalized_additive"
    options = {"dtype": case.policy, "implementation": case.implementation}
    if case.layer != "hard":
        options |= {"dropout": RATE if case.dropout else 0.0, "seed": case.seed}
    if case.layer == "additive":
        options |= {"use_bias": case.use_bias, "normalized": is_normalized}
        return ka.AdditiveAttention(case.units, **options)
    if case.layer == "luong":
        if case.score == "location":
            options["max_length"] = 4
        score = {"scale": "dot", "scaled_general": "general"}.get(case.score, case.score)
        options["use_scale"] = score != case.score
        return ka.LuongAttention(score, units=case.units, **options)
    score = case.score
    if score == "scale":
        score = ka.score.DotScore(use_scale=True, dtype=case.policy)
    if score == "scaled_general":
        score = ka.score.GeneralScore(use_scale=True, dtype=case.policy)
    if score in ADDITIVE_SCORES:
        score = ka.score.AdditiveScore(
            case.units, use_bias=case.use_bias, normalized=is_normalized, dtype=case.policy
        )
    if case.layer == "hard":
        return ka.HardAttention(score, estimator="straight_through", **options)
    return ka.Attention(score, case.normalize, **options)


def build(case: Case) -> Problem:
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
        call=lambda layer, floats, fixed: call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: evaluate(
            case, floats, weights, keep, visible, query_mask
        ),
        keep=observe_keep(case.keys, 1) if case.dropout else None,
        poison=poison,
        is_exact=case.values == "ties" and case.score == "dot",
        unconnected=unconnected,
        shared=tuple(shared),
    )
