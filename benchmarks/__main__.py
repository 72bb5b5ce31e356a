"""Benchmark every layer beside its alternatives: times, memory, share of the machine's limits.

    python -m benchmarks                          20 minutes; --time-limit 60 is enough for all
    python -m benchmarks --quick                  all steps at small sizes, about a minute
    python -m benchmarks --only multi_head        the families whose names contain this
    python -m benchmarks --backends jax torch     these backends instead of all installed ones
    python -m benchmarks --device gpu             on a GPU; writes files of other names

Results are stored one by one. If a run reaches its time limit, the same command continues it.
Results of other sources, versions or another machine are ignored. The run writes `benchmarks.md`
and `benchmarks.csv` into `docs/` and plots into `docs/pictures/`; with `--quick`, all files into
`runs/benchmarks/quick/`.
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
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--only", default="", help=f"a part of a name of {', '.join(FAMILIES)}")
    parser.add_argument("--backends", nargs="+", choices=["tensorflow", "jax", "torch"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument(
        "--time-limit",
        type=float,
        default=20,
        metavar="MINUTES",
        help="no case starts after this time",
    )
    parser.add_argument("--output", default="docs", metavar="FOLDER", help="of tables and plots")
    parser.add_argument("--runs", default="runs/benchmarks", metavar="FOLDER", help="of results")
    options = parser.parse_args(arguments)
    installed = list_installed_backends()
    options.backends = options.backends or installed
    missing = set(options.backends) - set(installed)
    if missing:
        parser.error(f"Expected `--backends` of {installed}. Received: {sorted(missing)}")
    if not any(options.only in name for name in FAMILIES):
        parser.error(
            f"Expected `--only` to be a part of a name of {list(FAMILIES)}. "
            f"Received: {options.only!r}"
        )
    if options.quick:
        options.output = options.runs = str(Path(options.runs) / "quick")
    return options


if __name__ == "__main__":
    sys.exit(run.run(parse_arguments()))
