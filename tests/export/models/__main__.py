"""Export all models and print a table of what happened, by kind.

    python -m tests.export.models [WORD ...]

With words, only the tries whose kind or name contains one of them run. Ends with exit code 1 if an
export is wrong, or if an error or a warning does not name its cause. One process of
the C++ loader runs the requests to all exports. Errors and warnings are printed as they come, to
the standard error. It takes three to five minutes on two cores.
"""

import collections
import sys
import time

from tests.export.loader.shared import LoaderProcess
from tests.export.models.kinds import ALL_TRIES
from tests.export.models.outcomes import OBSCURE, SKIPPED, WRONG, run_try
from tests.export.models.tries import REFUSED, RIGHT, WARNED

COLUMNS = {  # by the result of an Outcome
    RIGHT: "right",
    WARNED: "right, warned",
    REFUSED: "refused clearly",
    WRONG: "wrong",
    OBSCURE: "obscure",
    SKIPPED: "skipped",
}


def main(words):
    """Print the table and the faults; return the exit code."""
    tries = [one for one in ALL_TRIES if _contains(one, words)]
    process, started, faults = LoaderProcess(), time.monotonic(), []
    counts = collections.defaultdict(collections.Counter)  # {kind: {result: number}}
    try:
        for one in tries:
            begin = time.monotonic()
            outcome = run_try(one, process)
            seconds = time.monotonic() - begin
            line = f"{one.kind}: {one.name}: {outcome.result}, {seconds:.1f} s"
            print(line, outcome.detail, file=sys.stderr, flush=True)
            counts[one.kind][outcome.result] += 1
            if outcome.result in (WRONG, OBSCURE):
                faults.append(f"{outcome.result}: {one.kind}: {one.name}: {outcome.detail}")
    finally:
        process.close()
    print(make_table(counts))
    print(f"\n{len(tries)} tries in {time.monotonic() - started:.0f} s")
    print(*faults, sep="\n")
    return 1 if faults else 0


def make_table(counts):
    """Return a table in Markdown: a row for each kind, and the sums."""
    total = sum(counts.values(), collections.Counter())
    lines = ["| " + " | ".join(["models", "tries", *COLUMNS.values()]) + " |"]
    lines.append("|---" * (len(COLUMNS) + 2) + "|")
    for kind, row in [*counts.items(), ("all", total)]:
        numbers = [row.total(), *(row[result] for result in COLUMNS)]
        lines.append(f"| {kind} | " + " | ".join(map(str, numbers)) + " |")
    return "\n".join(lines)


def _contains(one, words):
    """Return True if there are no words, or if the kind or name of a try contains one of them."""
    return not words or any(word in f"{one.kind}: {one.name}" for word in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
