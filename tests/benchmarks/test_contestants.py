"""Whoever is said to compute the same numbers as our layer does, on this backend."""

import dataclasses
import importlib.util

import keras
import numpy as np
import pytest

from benchmarks.cases import cases
from benchmarks.engines import engine_of
from benchmarks.families import FAMILIES
from benchmarks.family import BACKENDS
from benchmarks.task import program_of

BACKEND = keras.backend.backend()
MODE = BACKENDS[BACKEND][-1]  # on TensorFlow the plain graph, which is made faster
CASES = {
    case.family: case
    for case in cases([BACKEND], quick=True)
    if (case.dtype, case.mode, case.measure) == ("float32", MODE, "time")
}


def results(case, step, name):
    """Output, or loss and the gradients of the inputs."""
    engine = engine_of(BACKEND)
    program = program_of(case, name)
    result = getattr(engine, step)(program, MODE)()
    engine.wait(result)
    if step == "forward":
        return [engine.to_numpy(result)]
    loss, gradients = result
    gradients = keras.tree.flatten(gradients)[-len(program.inputs) :]
    return [engine.to_numpy(x) for x in (loss, *gradients)]


@pytest.mark.parametrize("step", ["forward", "training"])
@pytest.mark.parametrize("family", FAMILIES)
def test_contestants_agree(family, step):
    case, family = CASES[family], FAMILIES[family]
    if step not in family.steps:
        pytest.skip("nothing to train")
    expected = results(case, step, "ours")
    assert all(np.isfinite(x).all() and np.abs(x).max() > 1e-3 for x in expected)
    for contestant in family.contestants:
        if BACKEND not in contestant.backends:
            continue
        if contestant.needs and importlib.util.find_spec(contestant.needs) is None:
            continue
        found = results(case, step, contestant.name)
        for a, b in zip(found, expected, strict=True):
            assert a.shape == b.shape
            is_equal = np.allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())
            assert is_equal == contestant.same, contestant.name


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow Serving serves TensorFlow's")
def test_an_export_computes_the_same():
    engine, program = engine_of(BACKEND), program_of(CASES["additive"], "ours")
    plain, served = (engine.forward(program, mode)() for mode in ("plain", "served"))
    np.testing.assert_allclose(served.numpy(), plain.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_contestant_runs_in_bfloat16(family):
    case, family = dataclasses.replace(CASES[family], dtype="bfloat16"), FAMILIES[family]
    if not family.half_lengths:
        pytest.skip("measured in float32 only")
    for contestant in family.contestants:
        is_here = BACKEND in contestant.backends
        if is_here and not (contestant.needs and not importlib.util.find_spec(contestant.needs)):
            (output,) = results(case, "forward", contestant.name)
            assert np.isfinite(output).all()
