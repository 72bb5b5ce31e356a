"""Cases of additive, dot-product, Luong's and hard attention."""

import dataclasses

from hypothesis import strategies as st

from tests.fuzz.strategies import axes, masks
from tests.fuzz.strategies.setting import QueryValueCase, lengths, settings, widths

ADDITIVE_SCORES = ("additive", "normalized_additive")
LUONG_SCORES = ("dot", "scale", "general", "scaled_general", "location", "concat")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(QueryValueCase):
    """layer: "additive", "attention", "luong", or "hard". layout: One of `axes.LAYOUTS`."""

    layer: str = "additive"
    score: str = "additive"
    normalize: str = "softmax"
    units: int | None = 3
    use_bias: bool = False
    layout: str = "one"
    key_width: int = 1
    value_width: int = 1


def additive_cases(compiled):
    scores = ["additive", "additive", "normalized_additive"]
    return _cases(compiled, layer=st.just("additive"), score=st.sampled_from(scores))


def dot_cases(compiled):
    scores = ["dot", "scaled_dot", "scale", "general", "scaled_general", "cosine", "additive"]
    scores += ["normalized_additive", "location", "concat"]
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
        normalize=st.sampled_from(["softmax", "softmax", "sparsemax", "hardmax", "smooth"]),
        units=st.sampled_from([3, None, 1, 17]),
        use_bias=st.booleans(),
        implementation=st.sampled_from(["plain", "blockwise", "blockwise", "auto"]),
        inputs=st.sampled_from(["pair", "pair", "triple", "self", "single"]),
        shared=st.sampled_from([False] * 5 + [True]),
        layout=axes.layouts(),
        queries=lengths(),
        keys=lengths(),
        width=widths(),
        key_width=widths(),
        value_width=widths(),
        **masks.query_value_fields(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = axes.complete_layout(case)
    layer, score, normalize = case.layer, case.score, case.normalize
    if layer == "additive":
        normalize = "softmax"
    if layer == "luong":
        score = score if score in LUONG_SCORES else "general"
        normalize = "softmax"
    if layer in ("attention", "hard"):
        score = {"location": "dot", "concat": "additive"}.get(score, score)
        change["units"] = case.units if score in ADDITIVE_SCORES else None
    if layer == "hard":
        normalize, change["dropout"] = "hardmax", False
    if layer == "hard" and case.order:
        change["order"] = 0
    if score in ("cosine", "location") or (
        layer == "attention" and normalize != "softmax" and score not in ADDITIVE_SCORES
    ):
        change["implementation"] = "plain"
    if layer == "hard" and score not in ADDITIVE_SCORES:
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
