"""The functions of previous weights: monotonic normalizers, chunks, and the mask of near keys."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st
from keras import ops

import keras_attention as ka
from tests import reference_sequential
from tests.fuzz.checking import Problem
from tests.fuzz.references.sequential import around
from tests.fuzz.strategies import masks, values
from tests.fuzz.strategies.setting import Setting, lengths, settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """function: "monotonic", "monotonic_hard", "chunkwise" or "around".

    previous: The previous weights, or those of the chunks' ends: "random", of sum 1; "first", all
    at one key; "uniform"; "zeros"; "integers". is_broadcast: Whether these have no axis of queries.
    width: That of the chunks, or of the window.
    """

    function: str = "monotonic"
    previous: str = "random"
    is_broadcast: bool = False
    width: int = 1
    noise: bool = False
    queries: int = 1
    keys: int = 1
    mask: str = "none"


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled, half=False),
        function=st.sampled_from(
            ["monotonic", "monotonic", "monotonic_hard", "chunkwise", "around"]
        ),
        previous=st.sampled_from(["random", "random", "first", "uniform", "zeros", "integers"]),
        is_broadcast=st.booleans(),
        width=st.integers(1, 12),
        noise=st.booleans(),
        queries=lengths(4),
        keys=lengths(20),
        mask=masks.pair_masks(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    has_gradient = case.function in ("monotonic", "chunkwise")
    # Sums of many equal weights are not exact.
    keys = 8 * case.keys + 2 if case.function == "around" else case.keys
    return dataclasses.replace(case, order=case.order if has_gradient else 0, keys=keys)


def build(case):
    """Return the `Problem` of a case."""
    rng, shape = case.rng(), (case.batch, case.queries, case.keys)
    scores = values.draw(case.values, rng, shape)
    mask = masks.pair_mask(case.mask, rng, *shape)
    visible = np.ones(shape, bool) if mask is None else np.broadcast_to(mask, shape)
    previous = draw_weights(case, rng, (case.batch, 1 if case.is_broadcast else case.queries))
    has_noise = case.noise and case.function == "monotonic"
    noise = rng.normal(size=shape).astype(case.dtype) if has_noise else None
    floats = {"scores": scores, "previous": previous}
    fixed = {"mask": mask, "noise": noise}
    if case.function == "around":
        floats, fixed = {"previous": previous}, {}
    return Problem(
        layer=keras.layers.Identity(dtype=case.policy),
        floats=floats,
        fixed=fixed,
        call=lambda layer, floats, fixed: _call(case, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _evaluate(case, floats, visible, noise),
        is_exact=case.function == "monotonic_hard",
        shared=("mask",) if mask is not None and mask.ndim < 3 else (),
    )


def draw_weights(case, rng, shape):
    """Return weights `(*shape, keys)` of the case's kind."""
    weights = rng.random((*shape, case.keys)) ** 4
    if case.previous == "first":
        return np.eye(case.keys)[rng.integers(case.keys, size=shape)]
    if case.previous == "integers":
        return rng.integers(0, 3, size=weights.shape).astype("float64")
    if case.previous == "uniform":
        return np.full(weights.shape, 1 / case.keys)
    return 0 * weights if case.previous == "zeros" else weights / weights.sum(-1, keepdims=True)


def _call(case, floats, fixed):
    normalize, previous = ka.normalize, floats["previous"]
    if case.function == "around":
        return {"near": ops.cast(ka.mask.around(previous, case.width), previous.dtype)}
    inputs, mask = floats["scores"], fixed.get("mask")
    if case.function == "monotonic":
        weights = normalize.monotonic(inputs, mask, previous=previous, noise=fixed.get("noise"))
    elif case.function == "monotonic_hard":
        weights = normalize.monotonic_hard(inputs, mask, previous=previous)
    else:
        weights = normalize.chunkwise(inputs, mask, ends=previous, width=case.width)
    return {"weights": weights}


def _evaluate(case, floats, visible, noise):
    previous = floats["previous"]
    if case.function == "around":
        rows = [[around(row, case.width) for row in rows] for rows in previous]
        return {"near": np.array(rows, "float64")}
    scores = floats["scores"] if noise is None else floats["scores"] + noise
    weights = np.zeros(scores.shape)
    for index in np.ndindex(*scores.shape[:2]):
        b, i = index
        row, is_visible, before = scores[index], visible[index], previous[b, i % previous.shape[1]]
        if case.function == "chunkwise":
            ends = before * is_visible  # a masked key is not chosen
            weights[index] = reference_sequential.chunkwise(row, is_visible, ends, case.width)
        else:
            function = getattr(reference_sequential, case.function)
            weights[index] = function(row, is_visible, before)
    return {"weights": weights, "visible": visible}
