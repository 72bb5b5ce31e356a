"""Benchmark contestants match our layer on this backend if and only if they are declared to."""

import dataclasses
import importlib.util

import keras
import numpy as np
import pytest

from benchmarks.cases import list_cases
from benchmarks.engines import get_engine, make_call
from benchmarks.families import FAMILIES
from benchmarks.family import BACKENDS
from benchmarks.task import make_program

BACKEND = keras.backend.backend()
MODE = BACKENDS[BACKEND][-1]  # On TensorFlow the plain graph, which compiles faster.
CASES = {
    case.family: case
    for case in list_cases([BACKEND], quick=True)
    if (case.dtype, case.mode, case.measure) == ("float32", MODE, "time")
}


def run_contestant(case, step, name):
    """Return the output, or the loss and the gradients of the inputs."""
    engine = get_engine(BACKEND)
    program = make_program(case, name)
    result = make_call(engine, program, step, MODE)()
    engine.wait(result)
    if step == "forward":
        return [engine.to_numpy(result)]
    loss, gradients = result
    gradients = keras.tree.flatten(gradients)[-len(program.inputs) :]
    return [engine.to_numpy(x) for x in (loss, *gradients)]


@pytest.mark.parametrize("step", ["forward", "training"])
@pytest.mark.parametrize("family", CASES)
def test_contestants_match_as_declared(family, step):
    case, family = CASES[family], FAMILIES[family]
    if step not in family.steps:
        pytest.skip("the family has no training step")
    expected = run_contestant(case, step, "ours")
    assert all(np.isfinite(x).all() and np.abs(x).max() > 1e-3 for x in expected)
    for contestant in family.contestants:
        if BACKEND not in contestant.backends or not contestant.in_quick_run:
            continue
        if contestant.needs and importlib.util.find_spec(contestant.needs) is None:
            continue
        actual = run_contestant(case, step, contestant.name)
        for a, b in zip(actual, expected, strict=True):
            assert a.shape == b.shape
            is_equal = np.allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())
            assert is_equal == contestant.matches_ours, contestant.name


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow models are served")
def test_export_computes_the_same():
    engine, program = get_engine(BACKEND), make_program(CASES["additive"], "ours")
    plain, served = (engine.make_forward(program, mode)() for mode in ("plain", "served"))
    np.testing.assert_allclose(served.numpy(), plain.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", CASES)
def test_every_contestant_runs_in_bfloat16(family):
    case, family = dataclasses.replace(CASES[family], dtype="bfloat16"), FAMILIES[family]
    if not family.half_lengths:
        pytest.skip("measured in float32 only")
    for contestant in family.contestants:
        is_installed = not contestant.needs or importlib.util.find_spec(contestant.needs)
        if BACKEND in contestant.backends and is_installed:
            (output,) = run_contestant(case, "forward", contestant.name)
            assert np.isfinite(output).all()
