"""Attention pooling of sequences, and of documents of sequences."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.families.dropout import RATE, append_identity, observe_keep
from tests.fuzz.references import pooling as equations
from tests.fuzz.references.query_value import WEIGH
from tests.fuzz.strategies import masks, values
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """sentences: Length of the outer axis of a document; None = a sequence."""

    units: int | None = None
    normalize: str = "softmax"
    sentences: int | None = None
    steps: int = 1
    width: int = 1
    mask: str = "none"
    dropout: bool = False
    return_weights: bool = True
    poison: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled),
        units=st.sampled_from([None, 1, 3]),
        normalize=st.sampled_from(["softmax", "softmax", "smooth", "sparsemax", "hardmax"]),
        sentences=st.sampled_from([None, None, 1, 2]),
        steps=lengths(),
        width=widths(),
        mask=masks.sequence_masks(),
        dropout=st.sampled_from([False, False, True]),
        return_weights=st.booleans(),
        poison=st.booleans(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {}
    if case.normalize == "hardmax":  # the scores have no gradient; equal ones differ by rounding
        has_ties = case.values not in ("normal", "large", "outlier") or case.weights == "ties"
        ties = {"values": "normal", "weights": "normal"} if has_ties else {}
        change = {"order": 0, "dropout": False, **ties}
    if case.normalize == "sparsemax":
        change["order"] = min(case.order, 1)
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    rng, count = case.rng(), case.batch * (case.sentences or 1)
    inputs = values.draw(case.values, rng, (count, case.steps, case.width), case.dtype)
    mask = masks.sequence_mask(case.mask, rng, count, case.steps)
    inputs = append_identity(inputs) if case.dropout else inputs
    outer = (case.batch,) if case.sentences is None else (case.batch, case.sentences)

    def shape(x):
        return None if x is None else x.reshape(outer + x.shape[1:])

    dropout = RATE if case.dropout else 0.0
    return Problem(
        layer=ka.AttentionPooling(
            case.units,
            dropout=dropout,
            seed=case.seed,
            normalize=case.normalize,
            dtype=case.policy,
        ),
        floats={"inputs": shape(inputs)},
        fixed={"mask": shape(mask)},
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _reference(
            case, floats, fixed, weights, keep, outer
        ),
        keep=_observe(case, outer) if case.dropout else None,
        poison={"inputs": ~shape(mask)} if case.poison and mask is not None else {},
    )


def _observe(case, outer):
    observe = observe_keep(case.steps, 1)

    def flatten(x):
        return {"output": x["output"].reshape(-1, 1, x["output"].shape[-1])}

    return lambda outputs, expected: observe(flatten(outputs), flatten(expected))[:, 0, 0]


def _call(case, layer, floats, fixed):
    results = layer(
        floats["inputs"],
        mask=fixed.get("mask"),
        return_attention_scores=case.return_weights,
        training=case.dropout,
    )
    if case.return_weights:
        return {"output": results[0], "weights": results[1]}
    return {"output": results}


def _reference(case, floats, fixed, weights, keep, outer):
    inputs = floats["inputs"].reshape(-1, *floats["inputs"].shape[-2:])
    mask = fixed.get("mask", np.ones(floats["inputs"].shape[:-1], bool)).reshape(inputs.shape[:2])
    output, rows = equations.pool(
        inputs, mask, weights, WEIGH[case.normalize], None if keep is None else keep / (1 - RATE)
    )
    results = {"output": output, "zero": ~mask.any(-1)}
    if case.return_weights:
        results |= {"weights": rows, "visible": mask}
    return {k: x.reshape(outer + x.shape[1:]) for k, x in results.items()}
