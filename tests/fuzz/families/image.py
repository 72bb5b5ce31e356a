"""Self-attention over the positions of an image."""

import dataclasses

import numpy as np
from hypothesis import strategies as st
from keras.ops import convert_to_numpy

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import image as equations
from tests.fuzz.strategies import values
from tests.fuzz.strategies.setting import Setting, settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """An image of `height` times `width` pixels with `channels`.

    spectral: "none", or how a layer with spectral normalization is called: "inference", "training".
    """

    height: int = 1
    width: int = 1
    channels: int = 1
    key_reduction: int = 1
    value_reduction: int | None = None
    pool_keys: bool = False
    is_first: bool = False
    implementation: str = "plain"
    spectral: str = "none"
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
        spectral=st.sampled_from(["none", "none", "inference", "training"]),
        return_weights=st.booleans(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    if case.spectral != "training":
        return case
    # A call in training changes the kernels, so that the case has one call and no gradients.
    return dataclasses.replace(case, order=0, batch=1)


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
        spectral_normalization=case.spectral != "none",
        data_format="channels_first" if case.is_first else "channels_last",
        implementation=case.implementation,
        dtype=case.policy,
    )
    vectors = []  # the power iterations' state before the call in training

    def normalize(weights):
        if case.spectral != "training":
            return weights
        if not vectors:
            vectors.extend(convert_to_numpy(x) for x in layer.non_trainable_variables)
        kernels = zip(weights[1:], vectors, strict=True)
        return [weights[0], *(equations.divide_by_spectral_norm(*pair) for pair in kernels)]

    return Problem(
        layer=layer,
        floats={"images": images},
        fixed={},
        call=lambda layer, floats, fixed: _call(case, layer, floats),
        reference=lambda floats, fixed, weights, keep: _reference(case, floats, normalize(weights)),
        known_axes={"images": (1,)} if case.is_first else {},
    )


def _call(case, layer, floats):
    results = layer(
        floats["images"],
        return_attention_scores=case.return_weights,
        training=layer.built and case.spectral == "training",
    )
    if case.return_weights:
        return {"output": results[0], "weights": results[1]}
    return {"output": results}


def _reference(case, floats, weights):
    images = np.moveaxis(floats["images"], 1, -1) if case.is_first else floats["images"]
    output, rows = equations.self_attention_2d(images, weights, case.pool_keys)
    output = np.moveaxis(output, -1, 1) if case.is_first else output
    return {"output": output} | ({"weights": rows} if case.return_weights else {})
