"""Run a program on a device by JAX's client and measure its errors."""

import dataclasses
import time

import jax
import numpy as np
from jax._src.interpreters import mlir
from jaxlib import _jax, xla_client

from benchmarks.gpu.stablehlo import from_hlo

# Maximum relative errors of values, and of gradients and updated variables.
LIMITS = {"float32": (1e-4, 1e-3), "mixed_bfloat16": (3e-2, 6e-2)}


@dataclasses.dataclass
class Result:
    """The errors of a program on a device, and its compilation time in seconds.

    full_precision, tf32: pairs of the error of values, and of gradients and updated variables.
    """

    name: str
    full_precision: tuple
    tf32: tuple
    seconds: float

    @property
    def passes(self):
        """True if the errors in full precision are within the limits. An error of NaN is not."""
        limits = LIMITS[self.name.split(".")[1]]
        return all(e <= limit for e, limit in zip(self.full_precision, limits, strict=True))


def check(program, device):
    """Run a program on the device and compare its outputs with the expected ones.

    The program is compiled and run twice: with float32 products computed in float32, and in the
    device's default precision, which is TF32 on a GPU.
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
    with jax.enable_x64(True):  # because TensorFlow's step counters are int64
        parameters = [jax.device_put(x, device) for x in program.parameters]
        results = executable.execute_sharded(parameters).disassemble_into_single_device_arrays()
        return [np.asarray(x) for (x,) in results], seconds


def errors(program, results):
    """Return the largest relative errors of values, and of gradients and updated variables."""
    values, gradients = [0.0], [0.0]
    # Divide by at least 1/1000 of the largest gradient, because the true gradient may be zero, so
    # that the computed one has only rounding errors. (For example, a bias of the keys adds the same
    # number to all scores of a query.)
    sizes = [_rms(x) for name, x in program.outputs if name.startswith("gradient")]
    for (name, expected), result in zip(program.outputs, results, strict=True):
        result, expected = (np.asarray(x, "float64") for x in (result, expected))
        floor = 1e-3 * max(1.0, *sizes) if name.startswith("gradient") else 1e-3
        group = values if name.startswith("value") else gradients
        group.append(relative_error(result, expected, floor))
    return float(np.max(values)), float(np.max(gradients))


def relative_error(result, expected, floor):
    """Return RMS(result - expected) / max(RMS(expected), floor); NaN if the result has NaN."""
    if result.shape != expected.shape:
        raise ValueError(
            f"Expected a result of shape {expected.shape}. Received: result.shape={result.shape}"
        )
    return _rms(result - expected) / max(_rms(expected), floor)


def _rms(array):
    """Return the root mean square; 0 for an empty array."""
    return np.sqrt(np.mean(np.square(array, dtype="float64"))) if np.size(array) else 0.0
