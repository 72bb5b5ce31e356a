"""Compare the results of every layer on a GPU with those on the CPU.

    pip install -e ".[test]" "jax[cuda13]"
    python -m benchmarks.gpu_check                     trace, then compile and run on the GPU
    python -m benchmarks.gpu_check --only additive     only programs with "additive" in their names
    python -m benchmarks.gpu_check --export FOLDER     trace and save only; needs no GPU
    python -m benchmarks.gpu_check --programs FOLDER   run saved programs; needs no TensorFlow
    python -m benchmarks.gpu_check --platform cpu      run all steps on the CPU, without a GPU

TensorFlow traces the forward pass and the training step of each layer (with dropout, and an update
by SGD), and runs them by XLA on the CPU. JAX's client compiles the same programs with XLA for the
GPU and runs them there. The table has the largest error, |result - expected| / |expected|, of each
program's values and gradients, and the compilation time. The limits apply to a run whose float32
products are computed in float32. The columns "TF32" are from a second run at the GPU's default
precision. The exit status is 1 if a program failed or if there is no GPU.
"""

import argparse
import functools
import sys
from pathlib import Path

HEAD = ["program", "values", "gradients", "values TF32", "gradients TF32", "s", ""]


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="use only programs whose names contain this")
    parser.add_argument("--platform", default="gpu", choices=["gpu", "cpu"], help="default: gpu")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--export", metavar="FOLDER", help="save the programs; do not run them")
    group.add_argument("--programs", metavar="FOLDER", help="run the programs saved in this folder")
    return parser.parse_args(arguments)


def list_programs(folder=None, only=""):
    """Return {name: function that loads or traces the program}."""
    if folder is not None:
        from benchmarks.gpu.program import load

        paths = sorted(path.parent for path in Path(folder).glob("*/program.hlo"))
        loaders = {path.name: functools.partial(load, path) for path in paths}
    else:
        from benchmarks.gpu import tracing

        loaders = {name: functools.partial(_trace, name) for name in tracing.names()}
    return {name: load for name, load in loaders.items() if only in name}


def _trace(name):
    from benchmarks.gpu import tracing

    return tracing.trace(name).program()


def get_device(platform):
    """Return JAX's first device of the platform, or None."""
    import jax

    try:
        return jax.devices(platform)[0]
    except RuntimeError:
        return None


def check_program(load, device):
    """Run one program; return its table cells, and whether it passes."""
    from benchmarks.gpu.running import check

    try:
        result = check(load(), device)
    except Exception as error:  # the table reports any error of the compiler
        return [*[""] * 5, f"FAILS: {type(error).__name__}: {str(error).splitlines()[0]}"], False
    errors = [*result.full_precision, *result.tf32]
    verdict = "ok" if result.passes else "FAILS"
    return [*(f"{x:.1e}" for x in errors), f"{result.seconds:.2f}", verdict], result.passes


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.export is not None:
        for load in list_programs(only=options.only).values():
            load().save(options.export)
        return 0
    device = get_device(options.platform)
    if device is None:
        print("No GPU: JAX finds none. `--platform cpu` runs all steps without one.")
        return 1
    loaders = list_programs(options.programs, options.only)
    if not loaders:
        place = options.programs or "the traced layers"
        print(f"No program's name contains {options.only!r} in {place}.")
        return 1
    from benchmarks.gpu.running import LIMITS

    print(f"{device.device_kind}; maximum errors of (values, gradients): {LIMITS}")
    print(f"| {' | '.join(HEAD)} |\n" + "|---" * len(HEAD) + "|")
    failed = 0
    for name, load in loaders.items():
        cells, passes = check_program(load, device)
        failed += not passes
        print("| " + " | ".join([name, *cells]) + " |", flush=True)
    print(f"{len(loaders) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
