"""Every layer side by side with what one would take instead: times, memory, share of the limits.

    python -m benchmarks                          for 20 minutes, or --time-limit 60 for all
    python -m benchmarks --quick                  the whole way at small sizes, about a minute
    python -m benchmarks --only multi_head        the families whose names hold this
    python -m benchmarks --backends jax torch     not those that are installed, but these
    python -m benchmarks --device gpu             on a GPU, into files of another name

A run keeps each result as it comes, and the next one goes on where it ended: a run that has used
its time is continued by the same command. Results of other sources, versions or another machine
do not count. It writes `benchmarks.md` and `benchmarks.csv` into `docs/` and pictures into
`docs/pictures/`; with `--quick`, everything into `runs/benchmarks/quick/`.
"""

import argparse
import sys
from pathlib import Path

from benchmarks import run
from benchmarks.children import installed
from benchmarks.families import FAMILIES


def arguments(given=None):
    """The options of the command line."""
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
        "--time-limit", type=float, default=20, metavar="MINUTES", help="no case starts after that"
    )
    parser.add_argument("--output", default="docs", metavar="FOLDER", help="for tables, pictures")
    parser.add_argument("--runs", default="runs/benchmarks", metavar="FOLDER", help="for results")
    options = parser.parse_args(given)
    options.backends = options.backends or installed()
    missing = set(options.backends) - set(installed())
    if missing:
        parser.error(f"Expected `--backends` of {installed()}. Received: {sorted(missing)}")
    if not any(options.only in name for name in FAMILIES):
        parser.error(f"Expected `--only` in a name of {list(FAMILIES)}. Received: {options.only!r}")
    if options.quick:
        options.output = options.runs = str(Path(options.runs) / "quick")
    return options


if __name__ == "__main__":
    sys.exit(run.run(arguments()))
