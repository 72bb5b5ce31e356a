"""The XLA flags with which the tests compile, several times as fast as with XLA's defaults.

The tests run most of their programs once, for small sizes, so that nearly all of the time is spent
on compiling them. With these flags, XLA hands its HLO to LLVM without further optimization. The
passes that change the HLO itself, and so the operations, stay as they are.

- Level 0 lets LLVM generate code without optimizing it.
- The fusion emitters generate the code of each fused loop by MLIR, in many passes; without them,
  LLVM's IR is written directly.
- With one part per program, XLA does not divide it among threads, because several test processes
  keep the cores busy.

`XLA_FLAGS=` (empty) restores XLA's defaults, with which users compile. `.ci/run` runs the random
tests, those of compiled kernels and one program of each layer with them. The tests of the GPU
compiler, `python -m tests.fuzz` and full runs of `python -m benchmarks` always use them.
"""

import importlib.metadata
import os

OPTIMIZATION_LEVEL = "--xla_backend_optimization_level=0"
OTHER_FLAGS = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
# Releases whose XLA has the other flags. XLA ends the process if it does not know a flag.
TESTED_RELEASES = {"tensorflow": "2.21", "jax": "0.10"}


def compile_fast():
    """Set `XLA_FLAGS` for this process and its children, unless the user has set it."""
    flags = [OPTIMIZATION_LEVEL]
    # Without the variable, the backend may come from keras.json, so that it can be any of them.
    names = [os.environ["KERAS_BACKEND"]] if "KERAS_BACKEND" in os.environ else TESTED_RELEASES
    versions = {name: _find_version(name) for name in names if name in TESTED_RELEASES}
    installed = {name: version for name, version in versions.items() if version is not None}
    if installed and all(_is_tested(*item) for item in installed.items()):
        flags.append(OTHER_FLAGS)
    os.environ.setdefault("XLA_FLAGS", " ".join(flags))


def _find_version(name):
    """Return the version of a package; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _is_tested(name, version):
    """Return True if a version belongs to the package's tested release."""
    return version.startswith(f"{TESTED_RELEASES[name]}.")
