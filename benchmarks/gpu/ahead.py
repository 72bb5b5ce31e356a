"""Compiles for an H200 on a machine without a GPU, with XLA's own GPU compiler.

Needs `pip install -e ".[gpu-aot]"`: JAX's CUDA plugin, which holds the compiler, and NVIDIA's
assembler. Nothing is run: this shows that a program compiles, not its numbers nor its speed.
"""

import functools
import importlib.util
import os
import shutil
from pathlib import Path

TARGET = Path(__file__).with_name("h200.txtpb")


def missing():
    """What this machine lacks for it, in words, or None."""
    if not _module("jax") or not _module("jax_plugins.xla_cuda13"):
        return "JAX with its CUDA 13 plugin"
    wheel = _module("nvidia.cu13")
    folders = [f"{folder}/bin" for folder in wheel.submodule_search_locations] if wheel else []
    path = os.pathsep.join([*folders, os.environ.get("PATH", "")])
    return None if shutil.which("ptxas", path=path) else "ptxas of CUDA 13"


def _module(name):
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:  # of what stands before the dot
        return None


@functools.cache
def h200():
    """The device to compile for. A process asks before it uses JAX for anything else."""
    # The plugin wants to find all of CUDA's libraries, which only running needs.
    os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")
    from jax.experimental import topologies

    target = TARGET.read_text(encoding="utf-8")
    topology = topologies.get_topology_desc(
        "h200", platform="cuda", topology="1x1x1", target_config=target
    )
    return topology.devices[0]


def compile_for_h200(hlo):
    """Serialized HLO -> the text of what is made of it; raises if the compiler refuses it."""
    device = h200()
    import jax
    from jaxlib import _jax, xla_client

    from benchmarks.gpu.stablehlo import from_hlo

    options = xla_client.CompileOptions()
    if jax.__version_info__ < (0, 11):
        # For Triton's matrix products, these choose sizes of tiles that they then refuse ("Couldn't
        # find output tile sizes"): with a GPU they would have tried them. cuBLAS multiplies.
        options.env_option_overrides = [("xla_gpu_enable_triton_gemm", False)]
    executable = device.client.compile(from_hlo(hlo), _jax.DeviceList((device,)), options)
    return executable.hlo_modules()[0].to_string()


def compile_program(name):
    """`compile_for_h200` of a program of `tracing.names()`."""
    from benchmarks.gpu import tracing

    return compile_for_h200(tracing.trace(name).hlo())
