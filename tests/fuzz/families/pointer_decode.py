"""`PointerDecoder.decode`: greedy, and beam search as wide as the number of sequences."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

import keras_attention as ka
from tests.fuzz.checking import Problem
from tests.fuzz.families.pointer import name_weights
from tests.fuzz.references import pointer as equations
from tests.fuzz.strategies import masks
from tests.fuzz.strategies.setting import Setting, lengths, settings, widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Setting):
    """max_length: May be None if repeats are not allowed. has_points: Whether the decoder's inputs
    are another tensor than the memory.
    """

    is_greedy: bool = True
    units: int = 2
    end_slot: bool = False
    implementation: str = "plain"
    elements: int = 1
    width: int = 1
    memory_width: int = 1
    memory_mask: str = "none"
    has_points: bool = True
    allow_repeats: bool = False
    max_length: int | None = None

    @property
    def columns(self):
        return self.elements + self.end_slot

    @property
    def length(self):
        return self.columns if self.max_length is None else self.max_length

    @property
    def beams(self):
        """At least the number of possible sequences."""
        if self.is_greedy:
            return 1
        return self.columns**self.length if self.allow_repeats else 24


def cases(compiled):
    """Return the strategy of the cases."""
    return st.builds(
        Case,
        **settings(compiled, max_order=0, half=False),
        is_greedy=st.booleans(),
        units=st.sampled_from([2, 1, 17]),
        end_slot=st.booleans(),
        implementation=st.sampled_from(["plain", "blockwise", "auto"]),
        elements=lengths(3),
        width=widths(),
        memory_width=widths(),
        memory_mask=st.sampled_from(["none", "none", "right", "left", "random", "one"]),
        has_points=st.booleans(),
        allow_repeats=st.booleans(),
        max_length=st.sampled_from([None, 1, 2, 3]),
    ).map(complete)


def complete(case):
    """Return the case with the fields that others determine."""
    change: dict = {"policy": "float32"}
    # The order of equally likely sequences is not defined.
    change |= {"values": "normal", "weights": "normal"}
    if case.allow_repeats:
        change["max_length"] = case.max_length or 2
    if not case.has_points:
        change["width"] = case.memory_width
    return dataclasses.replace(case, **change)


def build(case: Case) -> Problem:
    """Return the `Problem` of a case."""
    rng = case.rng()
    shape = case.batch, case.elements
    floats = {"memory": rng.normal(size=(*shape, case.memory_width))}
    if case.has_points:
        floats["points"] = rng.normal(size=(*shape, case.width))
    floats |= {f"state_{n}": rng.normal(size=(case.batch, case.units)) for n in (0, 1)}
    layer = ka.PointerDecoder(
        case.units, end_slot=case.end_slot, implementation=case.implementation
    )
    return Problem(
        layer=layer,
        floats=floats,
        fixed={"memory_mask": masks.sequence_mask(case.memory_mask, rng, *shape)},
        call=lambda layer, floats, fixed: _call(case, layer, floats, fixed),
        reference=lambda floats, fixed, weights, keep: _reference(
            case, layer, floats, fixed, weights
        ),
        # The log-probability of a likely element is the logarithm of a sum near 1, and has the
        # rounding error of that sum.
        sizes={"log_probabilities": case.length},
    )


def _call(case, layer, floats, fixed):
    memory, points = floats["memory"], floats.get("points")
    if not layer.built:
        targets = np.zeros((case.batch, 1), "int32")
        layer(targets, memory, memory if points is None else points)
    pointed = layer.decode(
        memory,
        points,
        memory_mask=fixed.get("memory_mask"),
        initial_state=[floats["state_0"], floats["state_1"]],
        max_length=case.max_length,
        beam_width=case.beams,
        allow_repeats=case.allow_repeats,
        return_all_beams=True,
    )
    return {name: getattr(pointed, name) for name in ("indices", "lengths", "log_probabilities")}


def _reference(case, layer, floats, fixed, weights):
    parts, memory = name_weights(layer, weights), floats["memory"]
    points = floats.get("points", memory)
    mask = fixed.get("memory_mask", np.ones(memory.shape[:2], bool))
    shape = case.batch, case.beams
    indices = np.full((*shape, case.length), -1.0)
    lengths_of, totals = np.zeros(shape), np.full(shape, equations.LOWEST)
    for b in range(case.batch):
        decoder = equations.pointer(parts, memory[b], points[b], mask[b])
        state = [floats[f"state_{n}"][b] for n in (0, 1)]
        if case.is_greedy:
            sequences = [equations.decode_greedily(decoder, state, case.length, case.allow_repeats)]
        else:
            sequences = decoder.enumerate_sequences(state, case.length, case.allow_repeats)
        for beam, (sequence, total) in enumerate(sequences):
            indices[b, beam, : len(sequence)] = sequence
            lengths_of[b, beam], totals[b, beam] = len(sequence), total
    return {"indices": indices, "lengths": lengths_of, "log_probabilities": totals}
