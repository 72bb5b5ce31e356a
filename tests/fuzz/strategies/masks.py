"""Masks by kind and seed: none, padding, random, a fully masked row, one visible position."""

import numpy as np
from hypothesis import strategies as st

SEQUENCE = ("none", "right", "left", "random", "empty_row", "one")
PAIRS = ("none", "random", "all_axes", "keys_only", "queries_only", "empty_row")


def sequence_masks():
    """Draw a kind of mask `(batch, T)`."""
    return st.sampled_from(["none"] * 3 + list(SEQUENCE[1:]))


def pair_masks():
    """Draw a kind of mask that is broadcastable to `(batch, Tq, Tk)`."""
    return st.sampled_from(["none"] * 4 + list(PAIRS[1:]))


def query_value_fields():
    """Return the strategies of a query/value call's masks and options, by the fields' names."""
    return {
        "query_mask": sequence_masks(),
        "key_mask": sequence_masks(),
        "pair_mask": pair_masks(),
        "causal": st.sampled_from([False, False, True]),
        "dropout": st.sampled_from([False, False, True]),
        "return_weights": st.booleans(),
        "poison": st.booleans(),
    }


def invert_masks(case, **masks):
    """Return {input: its masked positions}, for the inputs that have a mask, if a case poisons."""
    return {name: ~mask for name, mask in masks.items() if case.poison and mask is not None}


def sequence_mask(kind, rng, batch, length):
    """Return a bool mask `(batch, length)`, or None."""
    if kind == "none":
        return None
    lengths = rng.integers(1, length + 1, size=(batch, 1))
    mask = np.arange(length) < lengths
    if kind == "left":
        return mask[:, ::-1].copy()
    if kind == "one":
        return np.arange(length) == lengths - 1
    if kind == "random":
        return rng.random((batch, length)) < 0.6
    if kind == "empty_row":
        mask[rng.integers(batch)] = False
    return mask


def pair_mask(kind, rng, batch, queries, keys):
    """Return a bool mask that is broadcastable to `(batch, queries, keys)`, or None."""
    if kind == "none":
        return None
    shape = {
        "all_axes": (batch, queries, keys),
        "keys_only": (batch, 1, keys),
        "queries_only": (1, queries, 1),
    }.get(kind, (queries, keys))
    mask = rng.random(shape) < 0.6
    if kind == "empty_row":
        mask[rng.integers(queries)] = False
    return mask
