"""Every layer on a GPU against the CPU, as a table: values, gradients, seconds of compilation.

    python -m benchmarks.gpu_check                     trace, then compile and run on the GPU
    python -m benchmarks.gpu_check --only additive     the programs whose names hold this
    python -m benchmarks.gpu_check --export FOLDER     only trace; needs no GPU
    python -m benchmarks.gpu_check --programs FOLDER   only compile and run; needs no TensorFlow
    python -m benchmarks.gpu_check --platform cpu      the whole way without a GPU

TensorFlow traces each layer's forward pass and training step (with dropout, and an update by SGD)
and runs it by XLA on the CPU; JAX's client compiles the same programs with XLA for the GPU
(`pip install "jax[cuda13]"`) and runs them there. An error is |found - expected| / |expected|, the
largest of a program. The limits hold where float32 products are computed in float32; the columns
"TF32" are of a second run that leaves their precision to the GPU. Exit status 1: a program failed,
or there is no GPU.
"""

import argparse
import functools
import sys
from pathlib import Path

HEAD = ["program", "values", "gradients", "values TF32", "gradients TF32", "s", ""]


def arguments(given=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="a part of the programs' names")
    parser.add_argument("--platform", default="gpu", choices=["gpu", "cpu"])
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--export", metavar="FOLDER", help="save the programs there, run none")
    where.add_argument("--programs", metavar="FOLDER", help="take the programs from there")
    return parser.parse_args(given)


def programs(folder=None, only=""):
    """{name: how to get the program}: saved in the folder, or traced here and now."""
    if folder is not None:
        from benchmarks.gpu.program import load

        paths = sorted(path.parent for path in Path(folder).glob("*/program.hlo"))
        found = {path.name: functools.partial(load, path) for path in paths}
    else:
        from benchmarks.gpu import tracing

        found = {n: lambda n=n: tracing.trace(n).program() for n in tracing.names()}
    return {name: get for name, get in found.items() if only in name}


def device_of(platform):
    """JAX's first device of the platform, or None."""
    import jax

    try:
        return jax.devices(platform)[0]
    except RuntimeError:
        return None


def line(get, device):
    """The cells of one program, and whether it passes."""
    from benchmarks.gpu.running import check

    try:
        result = check(get(), device)
    except Exception as error:  # whatever the compiler says belongs in the table
        return [*[""] * 5, f"FAILS: {type(error).__name__}: {str(error).splitlines()[0]}"], False
    errors = [*result.full_precision, *result.tf32]
    verdict = "ok" if result.passes else "FAILS"
    return [*(f"{x:.1e}" for x in errors), f"{result.seconds:.2f}", verdict], result.passes


def main(given=None):
    options = arguments(given)
    if options.export is not None:
        for get in programs(only=options.only).values():
            get().save(options.export)
        return 0
    device = device_of(options.platform)
    if device is None:
        print("No GPU: JAX finds none here. `--platform cpu` goes the whole way without one.")
        return 1
    found = programs(options.programs, options.only)
    if not found:
        print(f"No program: none is named *{options.only}* in {options.programs or 'the rows'}.")
        return 1
    from benchmarks.gpu.running import LIMITS

    print(f"{device.device_kind}; limits of (values, gradients): {LIMITS}")
    print(f"| {' | '.join(HEAD)} |\n" + "|---" * len(HEAD) + "|")
    failed = 0
    for name, get in found.items():
        cells, passes = line(get, device)
        failed += not passes
        print("| " + " | ".join([name, *cells]) + " |", flush=True)
    print(f"{len(found) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
