"""How each backend makes tensors, compiles, differentiates and waits; one is imported a process."""

import importlib


def engine_of(backend):
    """The engine of "tensorflow", "jax" or "torch"."""
    return importlib.import_module(f"benchmarks.engines.{backend}_engine")
