"""Compare every layer with its alternatives: time, peak memory, share of the machine's limits.

    python -m benchmarks --time-limit 60          all cases, about 50 minutes on two cores
    python -m benchmarks                          the cases that fit in 20 minutes, the default
    python -m benchmarks --quick                  all steps at small sizes, about a minute
    python -m benchmarks --only multi_head        only families whose names contain "multi_head"
    python -m benchmarks --backends jax torch     these backends instead of all installed ones
    python -m benchmarks --device gpu             on a GPU; the names of its files end in "_gpu"

A family is a mechanism with several implementations, its contestants. Each result is stored as
soon as it is measured. If a run reaches its time limit, the same command continues it. Results of
another machine, of other versions or of other source code are ignored. The run writes
`benchmarks.md` and `benchmarks.csv` into `docs/` and plots into `docs/pictures/`; with `--quick`,
it writes all files into `runs/benchmarks/quick/`.
"""

import argparse
import sys
from pathlib import Path

from benchmarks import run
from benchmarks.children import list_installed_backends
from benchmarks.families import FAMILIES


def parse_arguments(arguments=None):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="run all steps at small sizes")
    parser.add_argument(
        "--only",
        default="",
        help=f"run only families whose names contain this; families: {', '.join(FAMILIES)}",
    )
    parser.add_argument(
        "--backends",
        nargs="+",
        choices=["tensorflow", "jax", "torch"],
        help="default: all installed ones",
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "gpu"], help="default: cpu")
    parser.add_argument(
        "--time-limit",
        type=float,
        default=20,
        metavar="MINUTES",
        help="start no case after this time (default: 20)",
    )
    parser.add_argument(
        "--output", default="docs", metavar="FOLDER", help="folder of tables and plots"
    )
    parser.add_argument(
        "--runs", default="runs/benchmarks", metavar="FOLDER", help="folder of stored results"
    )
    options = parser.parse_args(arguments)
    installed = list_installed_backends()
    options.backends = options.backends or installed
    missing = set(options.backends) - set(installed)
    if missing:
        parser.error(
            f"Expected `--backends` to be installed ones, of {installed}. "
            f"Received: {sorted(missing)}"
        )
    if not any(options.only in name for name in FAMILIES):
        parser.error(
            f"Expected `--only` to be a part of one of the names {list(FAMILIES)}. "
            f"Received: {options.only!r}"
        )
    if options.quick:
        options.output = options.runs = str(Path(options.runs) / "quick")
    return options


if __name__ == "__main__":
    sys.exit(run.run(parse_arguments()))
