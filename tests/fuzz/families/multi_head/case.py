"""Cases of multi-head attention."""

import dataclasses

from hypothesis import strategies as st

from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import QueryValueCase, lengths, settings, widths

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
