"""The parent process: asks the children case after case, keeps what they say, writes the tables."""

import itertools
import sys
import time
from pathlib import Path

from benchmarks import goals, machine, plots, results, table
from benchmarks.cases import DTYPES, cases
from benchmarks.children import Child
from benchmarks.family import BACKENDS
from benchmarks.rows import rates_key

MEMORY_LIMIT = 10e9  # bytes of intermediates; whoever would hold more is skipped
BUDGET = {False: 0.6, True: 0.05}  # seconds of samples a contestant


def run(options):
    """The whole run; the exit status is 1 if a contestant failed."""
    asked = cases(options.backends, options.device, options.quick, options.only)
    stamp = machine.stamp(options.device)
    kept = results.Results(Path(options.runs) / f"{options.device}.jsonl", stamp)
    if kept.others:
        print(f"{kept.others} results of other sources, versions or another machine: not counted.")
    end = time.monotonic() + 60 * options.time_limit
    log = Path(options.runs) / "children.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    children = {b: Child(b, options.device, log, options.quick) for b in options.backends}
    try:
        measure_limits(children, kept, options)
        for n, case in enumerate(asked, 1):
            if case.key in kept or time.monotonic() > end:
                continue
            start = time.monotonic()
            kept.add(case.key, measure(case, children, options, log))
            seconds = time.monotonic() - start
            print(f"{n}/{len(asked)} {seconds:5.1f} s  {case.key}", flush=True)
    finally:
        for child in children.values():
            child.close()
    return report(asked, kept, options)


def measure_limits(children, kept, options):
    """Every backend's rates, in every dtype."""
    for backend, child in children.items():
        for mode, dtype in itertools.product(BACKENDS[backend], DTYPES[options.device]):
            key = rates_key(backend, mode, dtype)
            if key in kept:
                continue
            found = child.ask({"limits": dtype, "mode": mode, "quick": options.quick})
            if "died" in found:
                sys.exit(f"{backend}, measuring limits: {found['died']}. See {child.log}")
            if options.device == "gpu" and found["device"] is None:
                sys.exit(f"Expected a GPU that {backend} finds. Received: it finds none")
            kept.add(key, {**found, "dtype": dtype})


def measure(case, children, options, log):
    """What a child says of the case; a memory case has one to itself."""
    question = {
        "case": case.as_json(),
        "memory_limit": MEMORY_LIMIT,
        "budget": BUDGET[options.quick],
    }
    if case.measure == "time":
        return children[case.backend].ask(question)
    child = Child(case.backend, options.device, log, options.quick)
    answer = child.ask(question)
    child.close()
    return answer


def report(asked, kept, options):
    """Writes tables and pictures, and says where; 1 if something failed."""
    output, suffix = Path(options.output), "" if options.device == "cpu" else f"_{options.device}"
    outcomes = [] if options.quick else goals.outcomes(asked, kept)
    page = table.markdown(head(kept, options), asked, kept, outcomes)
    results.write(output / f"benchmarks{suffix}.md", page)
    results.write(output / f"benchmarks{suffix}.csv", table.as_csv(asked, kept))
    pictures = plots.draw(asked, kept, output / "pictures", suffix)
    missing = sum(case.key not in kept for case in asked)
    failed = [case.key for case in asked if has_failed(kept.get(case.key))]
    print(f"{output / f'benchmarks{suffix}.md'}, .csv and {len(pictures)} pictures.")
    if missing:
        print(f"The time was up: {missing} of {len(asked)} cases to go; the same command goes on.")
    for key in failed:
        print(f"FAILED: {key}: {kept.get(key)}")
    return int(bool(failed))


def has_failed(result):
    """Whether a contestant failed; one that was skipped did not."""
    return bool(result) and ("died" in result or any("failed" in x for x in result.values()))


def head(kept, options):
    """What was run, on what, and how to read it."""
    stamp, quick = kept.stamp, " --quick" if options.quick else ""
    gpu = " --device gpu" if options.device == "gpu" else ""
    found = (result for key, result in kept.found.items() if key.startswith("limits/"))
    devices = sorted({each["device"] for each in found if each["device"]})
    names = ("keras", "tensorflow", "jax", "torch", "local-attention", "numpy")
    versions = ", ".join(f"{name} {stamp[name]}" for name in names if stamp[name])
    where = ", ".join(devices) or f"{stamp['processor']}, {stamp['cores']} cores"
    return [
        "# Benchmarks",
        "",
        f"`python -m benchmarks{quick}{gpu}` on {where}; Python {stamp['python']}, {versions}.",
        "",
        "A call's time is the median of interleaved, warm samples; ± is half the distance of the "
        "quartiles. Of the others the table says how many times our time they take, in the same "
        "process: above 1 ours is faster. Compilation is the first call's time beyond that. "
        '"Of the limit" is the least time that the mathematics of the row could take on this '
        "machine, at the rates below, by ours. A training step is forward, loss and the gradients "
        "of inputs and weights. Peak memory is that of a process of its own, above what it held "
        "before the call. "
        f"Who would hold more than {MEMORY_LIMIT / 1e9:.0f} GB is skipped. float32 is computed in "
        "float32, without TF32.",
    ]
