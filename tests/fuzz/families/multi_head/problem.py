"""Layers and inputs of a multi-head case."""

import dataclasses

import numpy as np

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.families.dropout import RATE, append_identity, observe_keep
from tests.fuzz.families.multi_head.case import Case
from tests.fuzz.families.multi_head.evaluate import BASE, call, evaluate, show_dropout
from tests.fuzz.references.query_value import visible_pairs
from tests.fuzz.strategies import masks


def _make_layer(case):
    options = {
        "num_heads": case.heads,
        "key_dim": case.key_dim,
        "value_dim": case.value_dim,
        "num_key_value_heads": case.groups,
        "use_bias": case.use_bias,
        "dropout": RATE if case.dropout else 0.0,
        "seed": case.seed,
        "implementation": case.implementation,
        "dtype": case.policy,
    }
    if not case.is_self:
        return ka.MultiHeadAttention(**options)
    base = BASE if case.rotary else None
    return ka.MultiHeadSelfAttention(**options, window=case.window, rotary_base=base)


def _draw_bias(case, rng):
    batch, heads, queries, keys = case.batch, case.heads, case.queries, case.keys
    shape = {
        "none": None,
        "batch": (batch, heads, queries, keys),
        "keys": (batch, 1, 1, keys),
        "vector": (keys,),
    }.get(case.bias, (heads, queries, keys))
    if shape is None:
        return None
    bias = rng.normal(size=shape)
    if case.bias.startswith("infinite"):
        bias[rng.random(shape) < 0.4] = -np.inf
        if case.bias == "infinite_row":
            bias[..., rng.integers(queries), :] = -np.inf
    if case.inputs == "single" and len(shape) > 1:
        bias = bias[..., 0, :]
    return bias


def build(case: Case) -> Problem:
    """Return the `Problem` of a case."""
    rng = case.rng()
    memory_batch = 1 if case.shared else case.batch
    value_width = case.value_width - (case.keys if case.dropout and case.is_self else 0)
    value = case.draw(rng, memory_batch, case.keys, value_width)
    if case.dropout:
        value = append_identity(value)
    floats = {"value": value}
    if not case.is_self:
        query = case.draw(rng, case.batch, case.queries, case.width)
        floats = {"query": query[:, 0] if case.inputs == "single" else query} | floats
    if case.inputs == "triple":
        floats["key"] = case.draw(rng, memory_batch, case.keys, case.width)
    query_mask = masks.sequence_mask(case.query_mask, rng, case.batch, case.queries)
    key_mask = masks.sequence_mask(case.key_mask, rng, memory_batch, case.keys)
    if case.is_self:
        key_mask = query_mask
    pairs = masks.pair_mask(case.pair_mask, rng, case.batch, case.queries, case.keys)
    bias = _draw_bias(case, rng)
    order = case.causal, case.window
    visible = visible_pairs(
        case.batch, case.queries, case.keys, query_mask, key_mask, pairs, *order
    )
    is_single = case.inputs == "single"
    fixed = {
        "query_mask": query_mask[:, 0] if is_single and query_mask is not None else query_mask,
        "key_mask": key_mask,
        "pairs": pairs[..., 0, :] if is_single and pairs is not None else pairs,
    }
    if bias is not None:
        floats["bias"] = bias
    poison = masks.invert_masks(
        case,
        query=fixed["query_mask"] if "query" in floats else None,
        value=key_mask,
        key=key_mask if "key" in floats else None,
    )
    ranks = {"pairs": 3, "bias": 4}
    return Problem(
        layer=_make_layer(case),
        twin=_make_layer(dataclasses.replace(case, implementation="plain")),
        floats=floats,
        fixed=fixed,
        call=lambda layer, floats, fixed: call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: evaluate(
            case, floats, fixed, weights, keep, visible
        ),
        keep=observe_keep(case.keys, case.heads) if case.dropout else None,
        poison=poison,
        set_weights=(lambda weights: show_dropout(case, weights)) if case.dropout else None,
        shared=tuple(
            name
            for name, rank in ranks.items()
            if (x := (fixed | floats).get(name)) is not None and x.ndim < rank - is_single
        ),
        # In a graph, a bias must have its axes of size 1 beforehand.
        known_axes={} if bias is None else {"bias": np.flatnonzero(np.array(bias.shape) == 1)},
    )
