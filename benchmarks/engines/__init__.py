"""Engines: one module per backend that creates tensors, compiles, differentiates and waits.

All engines define the same functions.
"""

import importlib


def get_engine(backend):
    """Import the engine of "tensorflow", "jax" or "torch". A process should import only one."""
    return importlib.import_module(f"benchmarks.engines.{backend}_engine")


def make_call(engine, program, step, mode):
    """Return a function without arguments that runs a "forward" or a "training" step."""
    make = {"forward": engine.make_forward, "training": engine.make_training}[step]
    return make(program, mode)
