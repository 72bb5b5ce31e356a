"""Multi-head attention: cross and self, groups, windows, rotary positions, biases, caches."""

import dataclasses

import numpy as np
from hypothesis import strategies as st
from keras import ops

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.families.dropout import RATE, append_identity, observe_keep
from tests.fuzz.references import multi_head as equations
from tests.fuzz.references.query_value import visible_pairs
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import QueryValueCase, lengths, settings, widths

BASE = 20.0
BIASES = ("none", "batch", "heads", "keys", "vector", "infinite", "infinite_row")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(QueryValueCase):
    """is_self: MultiHeadSelfAttention of one sequence. inputs: "pair", "triple", or "single".
    bias: One of `BIASES`. parts: Numbers of tokens of the calls with a cache; () = no cache.
    """

    is_self: bool = False
    heads: int = 1
    groups: int = 1
    key_dim: int = 2
    value_dim: int = 2
    use_bias: bool = True
    window: int | None = None
    rotary: bool = False
    value_width: int = 1
    bias: str = "none"
    parts: tuple = ()


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled),
        is_self=st.booleans(),
        heads=st.sampled_from([1, 2, 4]),
        groups=st.sampled_from([1, 2, 4]),
        key_dim=st.sampled_from([2, 1, 4]),
        value_dim=st.sampled_from([2, 1, 3]),
        use_bias=st.booleans(),
        window=st.sampled_from([None, None, 1, 2, 4]),
        rotary=st.booleans(),
        implementation=st.sampled_from(["plain", "blockwise", "blockwise", "auto"]),
        inputs=st.sampled_from(["pair", "pair", "triple", "single"]),
        shared=st.sampled_from([False] * 5 + [True]),
        queries=lengths(),
        keys=lengths(),
        width=widths(),
        value_width=widths(),
        query_mask=masks.sequence_masks(),
        key_mask=masks.sequence_masks(),
        pair_mask=masks.pair_masks(),
        bias=st.sampled_from(["none"] * 5 + list(BIASES[1:])),
        causal=st.booleans(),
        dropout=st.sampled_from([False, False, True]),
        return_weights=st.booleans(),
        poison=st.booleans(),
        parts=st.one_of(
            st.just(()), st.just(()), st.lists(st.integers(1, 4), min_size=1, max_size=3)
        ),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {"groups": min(case.groups, case.heads), "parts": tuple(case.parts)}
    if not case.is_self or case.batch == 0:
        change |= {"window": None, "rotary": False, "parts": ()}
    if case.rotary and case.is_self and case.key_dim == 1:
        change["key_dim"] = 2
    heads = case.heads
    if case.dropout:
        heads = change["heads"] = min(heads, 2)
        change["groups"] = min(change["groups"], heads)
        change |= {"keys": min(case.keys, 6), "parts": ()}
    if case.is_self:
        keys = sum(change["parts"]) or change.get("keys", case.keys)
        change |= {"inputs": "pair", "keys": keys, "queries": keys, "shared": False}
        change |= {"value_width": case.width, "key_mask": case.query_mask}
        if change["parts"]:
            change |= {"causal": True, "pair_mask": "none", "bias": "none"}
            change |= {"return_weights": False, "order": 0, "mode": "eager", "poison": False}
    if change.get("inputs", case.inputs) == "single":
        change |= {"queries": 1, "causal": False}
    keys = change.get("keys", case.keys)
    if case.dropout:
        change["value_dim"] = keys
        if case.is_self:
            change["width"] = change["value_width"] = heads * keys
        else:
            change["width"] = heads * keys
    if case.batch == 1:
        change["shared"] = False
    return dataclasses.replace(case, **change)


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


def build(case):
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
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _reference(
            case, floats, fixed, weights, keep, visible
        ),
        keep=observe_keep(case.keys, case.heads) if case.dropout else None,
        poison=poison,
        set_weights=(lambda weights: _show_dropout(case, weights)) if case.dropout else None,
        shared=tuple(
            name
            for name, rank in ranks.items()
            if (x := (fixed | floats).get(name)) is not None and x.ndim < rank - is_single
        ),
        # In a graph, a bias must have its axes of size 1 beforehand.
        known_axes={} if bias is None else {"bias": np.flatnonzero(np.array(bias.shape) == 1)},
    )


def _show_dropout(case, weights):
    """Return weights with which the output's columns are the weights that multiply the values."""
    step, keys = 2 if case.use_bias else 1, case.keys
    value, output = 2 * step, 3 * step
    weights[value] = np.zeros(weights[value].shape)
    weights[value][-keys:] = np.tile(np.eye(keys), (1, case.groups))
    weights[output] = np.eye(*weights[output].shape)
    if case.use_bias:
        weights[value + 1] *= 0
        weights[output + 1] *= 0
    return weights


def _call(case, layer, floats, fixed):
    value, query, key = floats["value"], floats.get("query"), floats.get("key")
    inputs, mask = value, fixed.get("query_mask")
    if not case.is_self:
        inputs = [query, value] if key is None else [query, value, key]
        mask = [mask, fixed.get("key_mask")]
    if case.parts and layer.built:
        return {"output": _call_parts(case, layer, inputs, mask)}
    results = layer(
        inputs,
        mask=mask,
        attention_mask=fixed.get("pairs"),
        attention_bias=floats.get("bias"),
        use_causal_mask=case.causal,
        return_attention_scores=case.return_weights,
        training=case.dropout,
    )
    if case.return_weights:
        return {"output": results[0], "weights": results[1]}
    return {"output": results}


def _call_parts(case, layer, inputs, mask):
    cache, outputs, first = layer.get_initial_cache(len(inputs), case.keys + 1), [], 0
    for part in case.parts:
        end = first + part
        part_mask = None if mask is None else mask[:, first:end]
        output, cache = layer(inputs[:, first:end], mask=part_mask, cache=cache)
        outputs.append(output)
        first = end
    return ops.concatenate(outputs, axis=1)


def _reference(case, floats, fixed, weights, keep, visible):
    value = floats["value"]
    query = floats.get("query", value)
    query = query[:, None] if query.ndim == 2 else query
    pairs = equations.pair_up(weights, case.use_bias)
    base = BASE if case.rotary else None
    if case.parts:
        real = fixed.get("query_mask", np.ones(value.shape[:2], bool))

        def attend(x, b):
            order = visible_pairs(1, x.shape[1], x.shape[1], causal=True, window=case.window)
            return equations.multi_head(x, x, x, pairs, case.heads, case.groups, order, base)[0]

        return {"output": equations.cached(value, real, attend), "zero": ~real}
    bias = floats.get("bias")
    if bias is not None:
        bias = bias[..., None, :] if case.inputs == "single" and bias.ndim > 1 else bias
        bias = np.broadcast_to(bias, (case.batch, case.heads, case.queries, case.keys))
    output, rows, visible_by_head = equations.multi_head(
        query,
        value,
        floats.get("key", value),
        pairs,
        case.heads,
        case.groups,
        visible,
        base,
        bias,
        None if keep is None else keep / (1 - RATE),
    )
    is_single = case.inputs == "single"
    results = {"output": output[:, 0] if is_single else output}
    zero = ~visible_by_head.any(axis=(1, 3))
    results["zero"] = zero[:, 0] if is_single else zero
    if case.return_weights:
        results["visible"] = visible_by_head[:, :, 0] if is_single else visible_by_head
        results["weights"] = rows[:, :, 0] if is_single else rows
    return results
