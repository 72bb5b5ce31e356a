"""Transformer blocks: encoder and decoder, at once or step by step with a cache."""

import dataclasses

import numpy as np
from hypothesis import strategies as st
from keras import ops

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import transformer as equations
from tests.fuzz.references.multi_head import cached
from tests.fuzz.references.query_value import visible_pairs
from tests.fuzz.strategies import masks, values
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths

BASE = 20.0
SUBLAYERS = ("self_attention", "cross_attention", "feed_forward")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """is_decoder: A decoder block. parts: Numbers of tokens of the calls with a cache."""

    is_decoder: bool = False
    heads: int = 1
    groups: int = 1
    key_dim: int = 2
    norm: str = "post"
    use_bias: bool = True
    window: int | None = None
    rotary: bool = False
    implementation: str = "plain"
    length: int = 1
    width: int = 1
    keys: int = 1
    mask: str = "none"
    memory_mask: str = "none"
    pair_mask: str = "none"
    causal: bool = False
    return_weights: bool = False
    poison: bool = False
    parts: tuple = ()


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled),
        is_decoder=st.booleans(),
        heads=st.sampled_from([1, 2, 4]),
        groups=st.sampled_from([1, 2]),
        key_dim=st.sampled_from([2, 4]),
        norm=st.sampled_from(["post", "pre"]),
        use_bias=st.booleans(),
        window=st.sampled_from([None, None, 1, 3]),
        rotary=st.booleans(),
        implementation=st.sampled_from(["plain", "blockwise", "auto"]),
        length=lengths(6),
        width=widths(),
        keys=lengths(5),
        mask=masks.sequence_masks(),
        memory_mask=masks.sequence_masks(),
        pair_mask=masks.pair_masks(),
        causal=st.booleans(),
        return_weights=st.booleans(),
        poison=st.booleans(),
        parts=st.one_of(
            st.just(()), st.just(()), st.lists(st.integers(1, 3), min_size=1, max_size=3)
        ),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {"groups": min(case.groups, case.heads), "parts": tuple(case.parts)}
    if case.is_decoder:
        change |= {"pair_mask": "none", "causal": True}
    if case.parts:
        change |= {"length": sum(case.parts), "pair_mask": "none", "causal": True, "order": 0}
        change |= {"return_weights": False, "mode": "eager", "poison": False}
    if case.values in ("large", "tiny", "outlier") and case.is_half:
        change["values"] = "normal"
    if case.order > 1:
        change["order"] = 1
    if case.order and case.width == 1:
        # The normalization of one element is constant. Its gradient is a rounding error, divided by
        # the square root of epsilon.
        change["width"] = 2
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    rng = case.rng()
    options = {
        "num_heads": case.heads,
        "hidden_dim": 3,
        "key_dim": case.key_dim,
        "num_key_value_heads": case.groups,
        "dropout": 0.0,
        "norm": case.norm,
        "use_bias": case.use_bias,
        "window": case.window,
        "rotary_base": BASE if case.rotary else None,
        "implementation": case.implementation,
        "dtype": case.policy,
    }
    block = ka.TransformerDecoderBlock if case.is_decoder else ka.TransformerEncoderBlock
    shapes = {"inputs": (case.batch, case.length, case.width)}
    if case.is_decoder:
        shapes["memory"] = (case.batch, case.keys, case.width)
    mask = masks.sequence_mask(case.mask, rng, case.batch, case.length)
    memory_mask = masks.sequence_mask(case.memory_mask, rng, case.batch, case.keys)
    memory_mask = memory_mask if case.is_decoder else None
    pairs = masks.pair_mask(case.pair_mask, rng, case.batch, case.length, case.length)
    poison = masks.invert_masks(case, inputs=mask, memory=memory_mask)
    layer = block(**options)
    return Problem(
        layer=layer,
        floats={k: values.draw(case.values, rng, shape) for k, shape in shapes.items()},
        fixed={"mask": mask, "memory_mask": memory_mask, "pairs": pairs},
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _reference(
            case, layer, floats, fixed, weights
        ),
        poison=poison,
        unconnected=("*",),
        shared=("pairs",) if pairs is not None and pairs.ndim < 3 else (),
    )


def _call(case, layer, floats, fixed):
    x, mask = floats["inputs"], fixed.get("mask")
    if case.parts and layer.built:
        return {"output": _call_parts(case, layer, floats, fixed)}
    if case.is_decoder:
        results = layer(
            x,
            floats["memory"],
            inputs_mask=mask,
            memory_mask=fixed.get("memory_mask"),
            return_attention_scores=case.return_weights,
        )
    else:
        results = layer(
            x,
            mask=mask,
            attention_mask=fixed.get("pairs"),
            use_causal_mask=case.causal,
            return_attention_scores=case.return_weights,
        )
    if not case.return_weights:
        return {"output": results}
    names = ["output", "self_weights", "weights"] if case.is_decoder else ["output", "weights"]
    return dict(zip(names, results, strict=True))


def _call_parts(case, layer, floats, fixed):
    x, mask, outputs, first = floats["inputs"], fixed.get("mask"), [], 0
    if case.is_decoder:
        cache = layer.get_initial_cache(floats["memory"], case.length, fixed.get("memory_mask"))
    else:
        cache = layer.get_initial_cache(case.batch if len(x) > 1 else 1, case.length)
    for part in case.parts:
        end = first + part
        part_mask = None if mask is None else mask[:, first:end]
        name = "inputs_mask" if case.is_decoder else "mask"
        output, cache = layer(x[:, first:end], cache=cache, **{name: part_mask})
        outputs.append(output)
        first = end
    return ops.concatenate(outputs, axis=1)


def _reference(case, layer, floats, fixed, weights):
    by_path = {v.path: w for v, w in zip(layer.trainable_variables, weights, strict=True)}
    parts = {
        name: [by_path[v.path] for v in getattr(layer, name).trainable_variables]
        for sublayer in SUBLAYERS
        for name in (sublayer, f"around_{sublayer}")
        if hasattr(layer, name)
    }
    options = {
        "heads": case.heads,
        "groups": case.groups,
        "base": BASE if case.rotary else None,
        "norm": case.norm,
        "use_bias": case.use_bias,
    }
    x, memory = floats["inputs"], floats.get("memory")
    real = fixed.get("mask", np.ones(x.shape[:2], bool))
    memory_real = fixed.get("memory_mask", np.ones((len(x), case.keys), bool))
    results = {"zero": ~real}
    if case.parts:

        def run_row(tokens, b):
            ones = np.ones(tokens.shape[:2], bool)
            if case.is_decoder:
                row = memory[b : b + 1], ones, memory_real[b : b + 1]
                return equations.decode(tokens, *row, parts, options, case.window)[0]
            order = visible_pairs(1, *[tokens.shape[1]] * 2, causal=True, window=case.window)
            return equations.encode(tokens, ones, parts, options, order)[0]

        return results | {"output": cached(x, real, run_row)}
    if case.is_decoder:
        output, self_rows, rows = equations.decode(
            x, memory, real, memory_real, parts, options, case.window
        )
        outputs = {"output": output, "self_weights": self_rows, "weights": rows}
    else:
        visible = visible_pairs(
            len(x), *[case.length] * 2, real, real, fixed.get("pairs"), case.causal, case.window
        )
        output, rows = equations.encode(x, real, parts, options, visible)
        outputs = {"output": output, "weights": rows}
    return results | (outputs if case.return_weights else {"output": output})
