"""The loss of attention weights that have targets."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import losses as equations
from tests.fuzz.strategies import masks, values
from tests.fuzz.strategies.setting import Setting, lengths, settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """are_indices: Targets are indices of keys, or -1. counted: Kind of mask of the rows."""

    distance: str = "squared"
    reduction: str = "none"
    queries: int = 1
    keys: int = 1
    are_indices: bool = False
    counted: str = "none"


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled),
        distance=st.sampled_from(["squared", "cross_entropy", "divergence"]),
        reduction=st.sampled_from(["none", "none", "sum", "sum_over_batch_size"]),
        queries=lengths(4),
        keys=lengths(),
        are_indices=st.booleans(),
        counted=masks.sequence_masks(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {}
    if case.distance == "squared":
        change["are_indices"] = False
    if case.reduction != "none":  # a sum over the batch has no single rows
        change["batch"] = 1
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    rng, shape = case.rng(), (case.batch, case.queries, case.keys)
    weights = np.abs(values.draw(case.values, rng, shape, case.dtype))
    weights /= np.maximum(weights.sum(axis=-1, keepdims=True), 1e-30)
    target = rng.integers(0, 3, shape).astype("float32")
    if case.are_indices:
        target = rng.integers(0, case.keys, shape[:2])
    counted = masks.sequence_mask(case.counted, rng, *shape[:2])
    if counted is not None:
        target[~counted] = -1 if case.are_indices else 0
    loss = ka.AttentionLoss(case.distance, case.reduction, dtype=case.dtype)
    return Problem(
        layer=keras.layers.Identity(dtype=case.policy),
        floats={"weights": weights},
        fixed={"target": target},
        call=lambda layer, floats, fixed: {"loss": loss(fixed["target"], floats["weights"])},
        reference=lambda floats, fixed, drawn, keep: _evaluate(
            case, floats["weights"], fixed["target"]
        ),
        internal="float64" if case.policy == "float64" else "float32",
    )


def _evaluate(case, weights, target):
    rows = np.zeros(weights.shape[:2])
    if case.are_indices:
        target = np.arange(case.keys) == target[..., None]
    target = target.astype("float64")
    for b, i in np.ndindex(rows.shape):
        rows[b, i] = equations.distance(case.distance, weights[b, i], target[b, i])
    count = target.any(axis=-1).sum()
    results = {
        "none": rows,
        "sum": rows.sum(),
        "sum_over_batch_size": rows.sum() / max(count, 1),
    }
    return {"loss": results[case.reduction]}
