"""Engines: how each backend makes tensors, compiles, differentiates and waits for results."""

import importlib


def get_engine(backend):
    """Return the engine of "tensorflow", "jax" or "torch"; a process should import only one."""
    return importlib.import_module(f"benchmarks.engines.{backend}_engine")


def make_call(engine, program, step, mode):
    """Return a call without arguments that runs a "forward" or a "training" step."""
    make = {"forward": engine.make_forward, "training": engine.make_training}[step]
    return make(program, mode)
