"""The Neural Turing Machine: addressing, reading, writing, and the cell in a recurrent layer."""

import dataclasses

import keras
import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.references import memory as equations
from tests.fuzz.strategies import values
from tests.fuzz.strategies.setting import Setting, settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """is_cell: The cell over `steps` steps; else one addressing, reading and writing."""

    is_cell: bool = False
    heads: int = 1
    write_heads: int = 1
    slots: int = 3
    width: int = 1
    shift_range: int = 1
    controller: str = "lstm"
    steps: int = 1


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled, max_order=1),
        is_cell=st.sampled_from([False, False, True]),
        heads=st.integers(1, 3),
        write_heads=st.integers(1, 2),
        slots=st.integers(3, 6),
        width=st.integers(1, 4),
        shift_range=st.integers(0, 2),
        controller=st.sampled_from(["lstm", "feedforward"]),
        steps=st.integers(1, 4),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change = {"shift_range": min(case.shift_range, (case.slots - 1) // 2)}
    if case.is_cell and case.values not in ("normal", "ties", "quotients", "zeros", "equal"):
        change["values"] = "normal"
    if case.is_half:  # the functions compute in float32, whatever the inputs
        change["policy"] = "float32"
    return dataclasses.replace(case, **change)


def build(case):
    """Return the `Problem` of a case."""
    return _build_cell(case) if case.is_cell else _build_functions(case)


def _build_functions(case):
    rng = case.rng()

    def softmax(x):
        x = np.exp(x - x.max(-1, keepdims=True))
        return x / x.sum(-1, keepdims=True)

    heads = case.batch, case.heads
    floats = {
        "key": values.draw(case.values, rng, (*heads, case.width)),
        "memory": values.draw(case.values, rng, (case.batch, case.slots, case.width)),
        "strength": rng.exponential(3, heads),
        "gate": rng.random(heads),
        "amounts": softmax(3 * rng.normal(size=(*heads, 2 * case.shift_range + 1))),
        "sharpness": 1 + rng.exponential(2, heads),
        "previous": softmax(3 * rng.normal(size=(*heads, case.slots))),
        "erasure": rng.random((*heads, case.width)),
        "addition": rng.normal(size=(*heads, case.width)),
    }
    return Problem(
        layer=keras.layers.Identity(dtype=case.policy),
        floats=floats,
        fixed={},
        call=lambda layer, floats, fixed: _call_functions(floats),
        reference=lambda floats, fixed, weights, keep: _reference_functions(floats),
        # The functions loop over the heads and the shifts, whose numbers they must know.
        known_axes={name: (1,) for name in floats},
    )


def _call_functions(floats):
    memory = floats["memory"]
    address = ka.memory.content(floats["key"], floats["strength"], memory)
    address = ka.memory.interpolate(address, floats["previous"], floats["gate"])
    address = ka.memory.shift(address, floats["amounts"])
    address = ka.memory.sharpen(address, floats["sharpness"])
    written = ka.memory.erase(memory, address, floats["erasure"])
    written = ka.memory.add(written, address, floats["addition"])
    return {"address": address, "memory": written, "reads": ka.read.weighted_sum(address, memory)}


def _reference_functions(floats):
    names = "key", "strength", "gate", "amounts", "sharpness", "previous", "memory"
    address = equations.address(*(floats[name] for name in names))
    memory = floats["memory"]
    written = equations.write(memory, address, floats["erasure"], floats["addition"])
    return {"address": address, "memory": written, "reads": equations.read(address, memory)}


def _build_cell(case):
    cell = ka.NTMCell(
        2,
        slots=case.slots,
        width=case.width,
        read_heads=case.heads,
        write_heads=case.write_heads,
        shift_range=case.shift_range,
        controller=case.controller,
        controller_units=2,
        clip=None,
        dtype=case.policy,
    )
    layer = keras.layers.RNN(cell, return_sequences=True, dtype=case.policy)
    inputs = values.draw(case.values, case.rng(), (case.batch, case.steps, 2))

    def reference(floats, fixed, weights, keep):
        slots = case.slots, case.write_heads
        return {"output": equations.machine(floats["inputs"], weights, *slots)}

    return Problem(
        layer=layer,
        floats={"inputs": inputs},
        fixed={},
        call=lambda layer, floats, fixed: {"output": layer(floats["inputs"])},
        reference=reference,
        unconnected=("*",),
    )
