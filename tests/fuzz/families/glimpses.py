"""Glimpses at images, each at a place that the ones before have chosen."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st
from keras import ops

import keras_attention as ka
from tests import reference_recurrent
from tests.fuzz.checking import Problem
from tests.fuzz.references import glimpses as equations
from tests.fuzz.strategies.setting import Setting, settings

LAYERS = ("sensor", "location", "join_sensor", "join_location", "locator_hidden", "locator")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """is_cell: A GRU in place of the core."""

    height: int = 1
    width: int = 1
    channels: int = 1
    glimpses: int = 1
    size: int = 1
    scales: int = 1
    units: int = 1
    locator_units: int | None = None
    is_cell: bool = False


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled, max_order=1),
        height=st.integers(1, 7),
        width=st.integers(1, 7),
        channels=st.integers(1, 2),
        glimpses=st.integers(1, 4),
        size=st.integers(1, 4),
        scales=st.integers(1, 3),
        units=st.integers(1, 4),
        locator_units=st.sampled_from([None, 1, 3]),
        is_cell=st.booleans(),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    # The locations that come back are rounded in half precision, and a place may round to another.
    return dataclasses.replace(case, glimpses=1) if case.is_half else case


def build(case):
    """Return the `Problem` of a case."""
    rng, shape = case.rng(), (case.height, case.width, case.channels)
    cell = keras.layers.GRUCell(case.units, dtype=case.policy) if case.is_cell else None
    layer = ka.RecurrentGlimpses(
        case.glimpses,
        case.size,
        case.scales,
        case.units,
        2,
        case.locator_units,
        cell=cell,
        dtype=case.policy,
    )
    return Problem(
        layer=layer,
        floats={"images": case.draw(rng, case.batch, *shape)},
        fixed={"first": rng.uniform(-1.2, 1.2, (case.batch, 2)).astype("float32")},
        call=_call,
        reference=lambda floats, fixed, weights, keep: _evaluate(
            case, layer, floats["images"], fixed["first"], weights, keep
        ),
        # The equations look where the layer has looked, because rounding may choose another pixel.
        keep=lambda outputs, expected: outputs["locations"],
        unconnected=("*",),
        known_axes={"images": (1, 2)},
    )


def _call(layer, floats, fixed):
    first = ops.reshape(fixed["first"], (-1, 2))
    output, locations = layer(floats["images"], first, return_locations=True)
    return {"output": output, "locations": locations}


def _evaluate(case, layer, images, first, weights, keep):
    by_path = {v.path: w for v, w in zip(layer.trainable_variables, weights, strict=True)}

    def select(sublayer):
        return [by_path[v.path] for v in sublayer.trainable_variables]

    parts = {name: select(getattr(layer, name)) for name in LAYERS if _has(layer, name)}
    core = select(layer.cell if case.is_cell else layer.core)

    def run(features, state):
        if case.is_cell:
            return reference_recurrent.gru(features, state, *core)
        output = equations.relu(equations.dense([*state[0], *features], *core))
        return output, [output]

    outputs, locations = [], []
    for b, image in enumerate(images):
        output, computed = equations.look(
            image,
            np.clip(first[b], -1, 1),
            parts,
            case.glimpses,
            case.size,
            case.scales,
            run,
            [np.zeros(case.units)],
            None if keep is None else keep[b],
        )
        outputs.append(output)
        # A location has no gradient.
        locations.append(computed if keep is None or not case.order else keep[b])
    return {"output": np.array(outputs), "locations": np.array(locations)}


def _has(layer, name):
    return getattr(layer, name, None) is not None
