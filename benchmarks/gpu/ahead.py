"""Compile for an H200 on a machine without a GPU, with XLA's own GPU compiler.

Needs `pip install -e ".[gpu-aot]"`, which installs JAX's CUDA plugin with the compiler, and
NVIDIA's assembler. The compiled programs are not run: success shows that a program compiles, not
that its results are right.
"""

import functools
import importlib.util
import os
import shutil
from pathlib import Path

TARGET = Path(__file__).with_name("h200.txtpb")


def missing_requirement():
    """Return a description of what this machine lacks for the compilation, or None."""
    if not _find_module("jax") or not _find_module("jax_plugins.xla_cuda13"):
        return "JAX with its CUDA 13 plugin"
    wheel = _find_module("nvidia.cu13")
    folders = [f"{folder}/bin" for folder in wheel.submodule_search_locations] if wheel else []
    path = os.pathsep.join([*folders, os.environ.get("PATH", "")])
    return None if shutil.which("ptxas", path=path) else "ptxas of CUDA 13"


def _find_module(name):
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:  # the parent package is missing
        return None


@functools.cache
def get_h200():
    """Return the device to compile for. Call this before the process uses JAX in any other way."""
    # Skip the plugin's check for CUDA's libraries, because only running a program needs them all.
    os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")
    from jax.experimental import topologies

    target = TARGET.read_text(encoding="utf-8")
    topology = topologies.get_topology_desc(
        "h200", platform="cuda", topology="1x1x1", target_config=target
    )
    return topology.devices[0]


def compile_for_h200(hlo):
    """Compile serialized HLO and return the compiled module's text.

    Raises:
        RuntimeError: If the compiler refuses the program.
    """
    device = get_h200()
    import jax
    from jaxlib import _jax, xla_client

    from benchmarks.gpu.stablehlo import from_hlo

    options = xla_client.CompileOptions()
    if jax.__version_info__ < (0, 11):
        # Use cuBLAS instead of Triton for matrix products: these versions choose tile sizes for
        # Triton without testing them on a GPU, and then fail ("Couldn't find output tile sizes").
        options.env_option_overrides = [("xla_gpu_enable_triton_gemm", False)]
    executable = device.client.compile(from_hlo(hlo), _jax.DeviceList((device,)), options)
    return executable.hlo_modules()[0].to_string()


def compile_program(name):
    """Trace and compile the program of a name in `tracing.names()`."""
    from benchmarks.gpu import tracing

    return compile_for_h200(tracing.trace(name).hlo())
