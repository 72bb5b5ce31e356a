"""Runs a program by JAX's client on one of its devices, and measures how far it is off."""

import dataclasses
import time

import jax
import numpy as np
from jax._src.interpreters import mlir
from jaxlib import _jax, xla_client

from benchmarks.gpu.stablehlo import from_hlo

# Relative errors that pass: of values, of gradients (with variables after an update).
LIMITS = {"float32": (1e-4, 1e-3), "mixed_bfloat16": (3e-2, 6e-2)}


@dataclasses.dataclass
class Result:
    """How a program did: errors as pairs (values, gradients), seconds of compilation."""

    name: str
    full_precision: tuple
    tf32: tuple
    seconds: float

    @property
    def passes(self):
        """Whether the errors in full precision are within the limits; NaN is not."""
        limits = LIMITS[self.name.split(".")[1]]
        return all(e <= limit for e, limit in zip(self.full_precision, limits, strict=True))


def check(program, device):
    """Compiles for the device, runs there, and compares with what the program came with.

    Twice: with float32 products in float32, and as the device chooses (TF32 on a GPU).
    """
    full, seconds = _run(program, device, full_precision=True)
    default, _ = _run(program, device, full_precision=False)
    return Result(program.name, errors(program, full), errors(program, default), seconds)


def _run(program, device, full_precision):
    module = mlir.module_to_bytecode(from_hlo(program.hlo, full_precision))
    start = time.perf_counter()
    executable = device.client.compile_and_load(
        module, _jax.DeviceList((device,)), xla_client.CompileOptions()
    )
    seconds = time.perf_counter() - start
    with jax.enable_x64(True):  # TensorFlow counts in int64
        parameters = [jax.device_put(x, device) for x in program.parameters]
        results = executable.execute_sharded(parameters).disassemble_into_single_device_arrays()
        return [np.asarray(x) for (x,) in results], seconds


def errors(program, results):
    """The largest relative errors: of values, of gradients and updated variables."""
    values, gradients = [0.0], [0.0]
    # A gradient may be zero but for rounding (a key's bias moves all scores of a query alike): what
    # is a thousandth of the largest gradients counts as that much.
    sizes = [_size(x) for name, x in program.outputs if name.startswith("gradient")]
    for (name, expected), found in zip(program.outputs, results, strict=True):
        found, expected = (np.asarray(x, "float64") for x in (found, expected))
        floor = 1e-3 * max(1.0, *sizes) if name.startswith("gradient") else 1e-3
        kind = values if name.startswith("value") else gradients
        kind.append(relative_error(found, expected, floor))
    return float(np.max(values)), float(np.max(gradients))


def relative_error(found, expected, floor):
    """Size of the difference by the expected size, at least `floor`; NaN if a number is."""
    if found.shape != expected.shape:
        raise ValueError(
            f"Expected a result of shape {expected.shape}. Received: found.shape={found.shape}"
        )
    return _size(found - expected) / max(_size(expected), floor)


def _size(array):
    """Root of the mean square."""
    return np.sqrt(np.mean(np.square(array, dtype="float64"))) if np.size(array) else 0.0
