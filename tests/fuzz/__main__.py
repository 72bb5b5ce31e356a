"""The long run: `python -m tests.fuzz --minutes 60 [--family NAME] [--seed N]`.

Prints how many configurations of each family were checked, and for each failure the smallest one
that fails, with the command that checks it again. The exit status is 1 if anything failed.
"""

import argparse
import collections
import sys
import time

from tests.fuzz.families import FAMILIES
from tests.fuzz.profiles import MAX_EXAMPLES, run_round
from tests.fuzz.reproduce import write_code

MAX_FAILURES = 3  # of a family, which is then not checked any further


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long to run (default: 10)")
    parser.add_argument("--family", choices=list(FAMILIES), help="only this family")
    parser.add_argument("--seed", type=int, default=0, help="seed of the cases (default: 0)")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Run rounds of all families until the time is over; return the exit status."""
    options = parse_arguments(arguments)
    end = time.monotonic() + 60 * options.minutes
    families = [options.family] if options.family else list(FAMILIES)
    counts, failures = collections.Counter(), collections.Counter()
    number = 1000 * options.seed
    while time.monotonic() < end and families:
        for family in list(families):
            count, failure = run_round(family, number, MAX_EXAMPLES, lambda: time.monotonic() > end)
            counts[family] += count
            if failure is not None:
                failures[family] += 1
                report(family, *failure)
            if failures[family] >= MAX_FAILURES:
                print(f"{family}: {MAX_FAILURES} failures, not checked any further", flush=True)
                families.remove(family)
        number += 1
    for family in counts:
        print(f"{family}: {counts[family]} configurations, {failures[family]} failures")
    print(f"{counts.total()} configurations, {failures.total()} failures")
    return 1 if failures else 0


def report(family, case, error):
    """Print a failing case, its error and the command that checks it again."""
    message = str(error).splitlines()[0] if str(error) else ""
    print(f"\n{family}: {type(error).__name__}: {message}\n{case}\n{write_code(family, case)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
