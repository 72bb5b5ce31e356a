"""The normalizers by themselves, on scores with ties, and their symmetries."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st
from keras import ops

import keras_attention as ka
from tests import reference
from tests.fuzz.checking import Problem
from tests.fuzz.references.query_value import WEIGH
from tests.fuzz.strategies import masks, values
from tests.fuzz.strategies.setting import Setting, lengths, settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """normalize: Name of the normalizer."""

    normalize: str = "softmax"
    queries: int = 1
    keys: int = 1
    mask: str = "none"


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled) | {"values": st.sampled_from(["quotients", *values.KINDS])},
        normalize=st.sampled_from(["softmax", "sparsemax", "sparsemax", "hardmax", "smooth"]),
        queries=lengths(4),
        keys=lengths(),
        mask=masks.pair_masks(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {"policy": case.policy.replace("mixed_", "").replace("bfloat16", "float32")}
    change["policy"] = change["policy"].replace("float16", "float32")
    orders = {"softmax": 2, "smooth": 2, "sparsemax": 1, "hardmax": 0}  # hardmax has no gradient
    change["order"] = min(case.order, orders[case.normalize])
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    rng, shape = case.rng(), (case.batch, case.queries, case.keys)
    scores = values.draw(case.values, rng, shape)
    if case.values == "equal":  # as many equal scores as there are keys
        scores = np.broadcast_to(scores[..., :1], shape).copy()
    mask = masks.pair_mask(case.mask, rng, *shape)
    visible = np.ones(shape, bool) if mask is None else np.broadcast_to(mask, shape)
    order = rng.permutation(case.keys)
    normalize = ka.normalize.get(case.normalize)

    def call(layer, floats, fixed):
        weights = normalize(floats["scores"], mask=fixed.get("mask"))
        scores = ops.take(floats["scores"], order, axis=-1)
        mask = fixed.get("mask")
        if mask is not None and case.mask != "queries_only":  # that one has no axis of keys
            mask = ops.take(mask, order, axis=-1)
        permuted = normalize(scores, mask=mask)
        return {"weights": weights, "sums": ops.sum(weights, axis=-1), "permuted": permuted}

    def evaluate(floats, fixed, drawn_weights, keep):
        rows = [
            reference.row_by_row(WEIGH[case.normalize], *pair)
            for pair in zip(floats["scores"], visible, strict=True)
        ]
        permuted = [
            reference.row_by_row(WEIGH[case.normalize], s[:, order], v[:, order])
            for s, v in zip(floats["scores"], visible, strict=True)
        ]
        sums = visible.any(-1).astype("float64")
        weights = np.array(rows)
        return {
            "weights": weights,
            "visible": visible,
            "sums": sums,
            "permuted": np.array(permuted),
        }

    is_hard = case.normalize == "hardmax"
    return Problem(
        layer=keras.layers.Identity(dtype=case.policy),
        floats={"scores": scores},
        fixed={"mask": mask},
        call=call,
        reference=evaluate,
        is_exact=is_hard,
        internal=None if case.policy == "float64" else "float32",
        unconnected=("*",) if is_hard else (),
        shared=("mask",) if mask is not None and mask.ndim < 3 else (),
    )
