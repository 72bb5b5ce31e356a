"""Cases of location-aware and monotonic attention that are called with all queries."""

import dataclasses

from hypothesis import strategies as st

from tests.fuzz.families.sequential.attention import (
    LOCATION_AWARE,
    MONOTONIC,
    Options,
    complete_options,
)
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import QueryValueCase, lengths, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Options, QueryValueCase):
    """training: "no"; "call", as in training without noise; "noise", with the noise of the case."""

    training: str = "no"
    key_width: int = 1
    value_width: int = 1


def location_aware_cases(compiled):
    return _cases(compiled, LOCATION_AWARE, training=st.sampled_from(["no", "no", "call"]))


def monotonic_cases(compiled):
    training = st.sampled_from(["no", "no", "call", "noise"])
    return _cases(compiled, MONOTONIC, training=training)


def _cases(compiled, options, **fields):
    return st.builds(
        Case,
        **settings(compiled),
        **options,
        **fields,
        inputs=st.sampled_from(["pair", "pair", "triple", "self", "single"]),
        shared=st.sampled_from([False] * 5 + [True]),
        queries=lengths(6),
        keys=lengths(),
        width=widths(),
        key_width=widths(),
        value_width=widths(),
        **masks.query_value_fields(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = complete_options(case)
    if case.inputs == "single":
        change |= {"queries": 1, "causal": False}
    if case.inputs == "self":
        change |= {"queries": case.keys, "key_mask": case.query_mask, "shared": False}
    if case.inputs != "triple":
        change["key_width"] = case.value_width
    if case.inputs == "self":
        change["width"] = case.value_width
    if case.batch == 1:
        change["shared"] = False
    if not case.is_location_aware:
        change["dropout"] = False
    if case.dropout and case.is_location_aware:
        change["training"] = "call"
    # A hard choice by an energy that is zero but for rounding is not defined.
    if not case.is_location_aware and case.weights == "ties":
        change["weights"] = "normal"
    return dataclasses.replace(case, **change)
