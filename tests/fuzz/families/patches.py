"""Images as sequences of embedded patches."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import patches as equations
from tests.fuzz.strategies.setting import Setting, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """Images of `rows` times `columns` patches."""

    patch: int = 1
    rows: int = 1
    columns: int = 1
    channels: int = 1
    width: int = 1
    class_token: bool = True
    positions: str = "learned"
    is_first: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled),
        patch=st.integers(1, 3),
        rows=st.integers(1, 3),
        columns=st.integers(1, 3),
        channels=st.integers(1, 3),
        width=widths(),
        class_token=st.booleans(),
        positions=st.sampled_from(["learned", "sinusoidal"]),
        is_first=st.booleans(),
    )


def build(case):
    """Return the `Problem` of a case."""
    sides = case.rows * case.patch, case.columns * case.patch
    images = case.draw(case.rng(), case.batch, *sides, case.channels)
    return Problem(
        layer=ka.PatchEmbedding(
            case.patch,
            case.width,
            case.class_token,
            case.positions,
            "channels_first" if case.is_first else "channels_last",
            dtype=case.policy,
        ),
        floats={"images": np.moveaxis(images, -1, 1) if case.is_first else images},
        fixed={},
        call=lambda layer, floats, fixed: {"output": layer(floats["images"])},
        reference=lambda floats, fixed, weights, keep: _evaluate(case, floats["images"], *weights),
        unconnected=("*",),  # the second derivatives of a linear function
        known_axes={"images": (1, 2)},
    )


def _evaluate(case, images, kernel, bias, *others):
    others = list(others)
    images = np.moveaxis(images, 1, -1) if case.is_first else images
    vectors = equations.embed_patches(images, case.patch, kernel, bias)
    if case.class_token:
        token = np.broadcast_to(others.pop(0), (case.batch, 1, case.width))
        vectors = np.concatenate([token, vectors], axis=1)
    if case.positions == "learned":
        return {"output": vectors + others.pop(0)}
    return {"output": vectors + equations.sinusoids(*vectors.shape[1:])}
