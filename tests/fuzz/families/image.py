"""Self-attention over the positions of an image."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import image as equations
from tests.fuzz.strategies import values
from tests.fuzz.strategies.setting import Setting, settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """An image of `height` times `width` pixels with `channels`."""

    height: int = 1
    width: int = 1
    channels: int = 1
    key_reduction: int = 1
    value_reduction: int | None = None
    pool_keys: bool = False
    is_first: bool = False
    implementation: str = "plain"
    return_weights: bool = True


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled),
        height=st.integers(1, 4),
        width=st.integers(1, 4),
        channels=st.integers(1, 5),
        key_reduction=st.sampled_from([1, 2, 8]),
        value_reduction=st.sampled_from([None, 1, 2, 8]),
        pool_keys=st.booleans(),
        is_first=st.booleans(),
        implementation=st.sampled_from(["plain", "blockwise", "auto"]),
        return_weights=st.booleans(),
    )


def build(case):
    """Return the `Problem` of a case."""
    shape = (case.batch, case.height, case.width, case.channels)
    images = values.draw(case.values, case.rng(), shape, case.dtype)
    if case.is_first:
        images = np.moveaxis(images, -1, 1)
    layer = ka.SelfAttention2D(
        case.key_reduction,
        case.value_reduction,
        case.pool_keys,
        data_format="channels_first" if case.is_first else "channels_last",
        implementation=case.implementation,
        dtype=case.policy,
    )
    return Problem(
        layer=layer,
        floats={"images": images},
        fixed={},
        call=lambda layer, floats, fixed: _call(case, layer, floats),
        reference=lambda floats, fixed, weights, keep: _reference(case, floats, weights),
        known_axes={"images": (1,)} if case.is_first else {},
    )


def _call(case, layer, floats):
    results = layer(floats["images"], return_attention_scores=case.return_weights)
    if case.return_weights:
        return {"output": results[0], "weights": results[1]}
    return {"output": results}


def _reference(case, floats, weights):
    images = np.moveaxis(floats["images"], 1, -1) if case.is_first else floats["images"]
    output, rows = equations.self_attention_2d(images, weights, case.pool_keys)
    output = np.moveaxis(output, -1, 1) if case.is_first else output
    return {"output": output} | ({"weights": rows} if case.return_weights else {})
