"""Compare every layer on a GPU with the CPU: errors of values and gradients, compilation time.

    python -m benchmarks.gpu_check                     trace, then compile and run on the GPU
    python -m benchmarks.gpu_check --only additive     the programs whose names contain this
    python -m benchmarks.gpu_check --export FOLDER     only trace; needs no GPU
    python -m benchmarks.gpu_check --programs FOLDER   only compile and run; needs no TensorFlow
    python -m benchmarks.gpu_check --platform cpu      all steps without a GPU

TensorFlow traces each layer's forward pass and training step (with dropout, and an update by SGD)
and runs it by XLA on the CPU. JAX's client compiles the same programs with XLA for the GPU
(`pip install "jax[cuda13]"`) and runs them there. An error is |result - expected| / |expected|; the
table has the largest of each program. The limits apply to float32 products computed in float32; the
columns "TF32" are from a second run at the GPU's default precision. The exit status is 1 if a
program failed or if there is no GPU.
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
    parser.add_argument("--only", default="", help="a part of the programs' names")
    parser.add_argument("--platform", default="gpu", choices=["gpu", "cpu"])
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--export", metavar="FOLDER", help="save the programs, do not run them")
    group.add_argument("--programs", metavar="FOLDER", help="load the saved programs")
    return parser.parse_args(arguments)


def list_programs(folder=None, only=""):
    """Return {name: function that loads a saved program or traces it}."""
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
    """Return the table cells of one program, and True if it passes."""
    from benchmarks.gpu.running import check

    try:
        result = check(load(), device)
    except Exception as error:  # Any error of the compiler is reported in the table.
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
        print(f"No program is named *{options.only}* in {options.programs or 'the traced layers'}.")
        return 1
    from benchmarks.gpu.running import LIMITS

    print(f"{device.device_kind}; limits of (values, gradients): {LIMITS}")
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
