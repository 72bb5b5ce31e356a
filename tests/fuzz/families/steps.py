"""TimeReduction, and EachStep around layers of sequences, with the masks of their outputs."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st
from keras import ops

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import steps as equations
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """layer: Of `EachStep`, as in `references.steps.apply`; sequences: None = TimeReduction."""

    layer: str = "reduction"
    sequences: int | None = None
    factor: int = 2
    steps: int = 1
    width: int = 1
    units: int = 2
    mask: str = "none"
    poison: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled),
        layer=st.sampled_from(["reduction", "pooling", "attention", "states", "last_state"]),
        sequences=st.sampled_from([None, 1, 2, 3]),
        factor=st.integers(1, 5),
        steps=lengths(),
        width=widths(),
        units=st.integers(1, 3),
        mask=masks.sequence_masks(),
        poison=st.booleans(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {}
    if case.sequences is None:
        change["layer"] = "reduction"
    elif case.layer == "reduction":
        change["factor"] = 2
    if case.layer in ("states", "last_state"):  # a GRU of Keras has a gradient of NaN from NaN
        change["poison"] = False
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    rng, count = case.rng(), case.batch * (case.sequences or 1)
    shape = (case.batch,) if case.sequences is None else (case.batch, case.sequences)
    inputs = case.draw(rng, *shape, case.steps, case.width)
    mask = masks.sequence_mask(case.mask, rng, count, case.steps)
    mask = None if mask is None else mask.reshape(*shape, case.steps)
    layer = _make_layer(case)
    return Problem(
        layer=layer if case.sequences is None else ka.EachStep(layer, dtype=case.policy),
        floats={"inputs": inputs},
        fixed={"mask": mask},
        call=lambda layer, floats, fixed: _call(case, layer, floats["inputs"], fixed.get("mask")),
        reference=lambda floats, fixed, weights, keep: _evaluate(
            case, floats["inputs"], fixed.get("mask"), weights
        ),
        poison=masks.invert_masks(case, inputs=mask),
    )


def _make_layer(case):
    options = {"dtype": case.policy}
    if case.layer in ("states", "last_state"):
        sequences = case.layer == "states"
        return keras.layers.GRU(case.units, return_sequences=sequences, use_cudnn=False, **options)
    return {
        "reduction": lambda: ka.TimeReduction(case.factor, **options),
        "pooling": lambda: ka.AttentionPooling(case.units, **options),
        "attention": lambda: ka.AdditiveAttention(case.units, **options),
    }[case.layer]()


def _call(case, layer, inputs, mask):
    has_weights = case.layer in ("pooling", "attention")
    results = layer(inputs, mask=mask, **({"return_attention_scores": True} if has_weights else {}))
    results = results if has_weights else (results,)
    results = dict(zip(("output", "weights"), results, strict=False))
    if mask is not None:
        results["mask"] = ops.cast(layer.compute_mask(inputs, mask), "float32")
    return results


def _evaluate(case, inputs, mask, weights):
    is_real = np.ones(inputs.shape[:-1], bool) if mask is None else mask
    if case.sequences is None:
        output, output_mask = equations.reduce_time(inputs, is_real, case.factor)
        results = {"output": output, "mask": output_mask}
    else:
        rows = [
            equations.apply(case.layer, *row, weights) for row in zip(inputs, is_real, strict=True)
        ]
        parts = [None if part[0] is None else np.array(part) for part in zip(*rows, strict=True)]
        results = dict(zip(("output", "mask", "weights"), parts, strict=True))
    zero = ~results["mask"] if case.layer in ("reduction", "pooling", "attention") else None
    results["mask"] = None if mask is None else results["mask"].astype("float64")
    return {k: v for k, v in (results | {"zero": zero}).items() if v is not None}
