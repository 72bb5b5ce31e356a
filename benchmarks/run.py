"""The parent process, which passes cases to child processes and writes their results to tables."""

import itertools
import sys
import time
from pathlib import Path

from benchmarks import goals, machine, plots, results, table
from benchmarks.cases import DTYPES, list_cases
from benchmarks.children import Child
from benchmarks.family import BACKENDS
from benchmarks.rows import make_rates_key

# Contestants whose intermediate tensors need more memory than this are skipped.
MAX_INTERMEDIATE_BYTES = 10e9
# By `quick`: total seconds of the samples of one contestant.
BUDGET_SECONDS = {False: 0.6, True: 0.05}


def run(options):
    """Run all cases within the time limit; return the exit status, 1 if a contestant failed."""
    cases = list_cases(options.backends, options.device, options.quick, options.only)
    stamp = machine.make_stamp(options.device)
    stored = results.Results(Path(options.runs) / f"{options.device}.jsonl", stamp)
    if stored.stale_count:
        print(
            f"Ignoring {stored.stale_count} results of another machine, other versions or other "
            "source code."
        )
    end = time.monotonic() + 60 * options.time_limit
    log = Path(options.runs) / "children.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    children = {
        backend: Child(backend, options.device, log, options.quick) for backend in options.backends
    }
    try:
        measure_limits(children, stored, options)
        for n, case in enumerate(cases, 1):
            if case.key in stored or time.monotonic() > end:
                continue
            start = time.monotonic()
            stored.add(case.key, measure_case(case, children, options, log))
            seconds = time.monotonic() - start
            print(f"{n}/{len(cases)} {seconds:5.1f} s  {case.key}", flush=True)
    finally:
        for child in children.values():
            child.close()
    return write_report(cases, stored, options)


def measure_limits(children, stored, options):
    """Measure the rates of every backend and mode in every dtype."""
    for backend, child in children.items():
        for mode, dtype in itertools.product(BACKENDS[backend], DTYPES[options.device]):
            key = make_rates_key(backend, mode, dtype)
            if key in stored:
                continue
            answer = child.ask({"limits": dtype, "mode": mode, "quick": options.quick})
            if "died" in answer:
                sys.exit(f"Measuring limits on {backend} failed: {answer['died']}. See {child.log}")
            if options.device == "gpu" and answer["device"] is None:
                sys.exit(f"Expected a GPU that {backend} can use. Received: no GPU")
            stored.add(key, {**answer, "dtype": dtype})


def measure_case(case, children, options, log):
    """Measure the case in a child process; a memory case gets a child of its own."""
    question = {
        "case": case.to_json(),
        "max_intermediate_bytes": MAX_INTERMEDIATE_BYTES,
        "budget": BUDGET_SECONDS[options.quick],
        "quick": options.quick,
    }
    if case.measure == "time":
        return children[case.backend].ask(question)
    child = Child(case.backend, options.device, log, options.quick)
    answer = child.ask(question)
    child.close()
    return answer


def write_report(cases, stored, options):
    """Write tables and plots, and print their paths; return 1 if a contestant failed."""
    output, suffix = Path(options.output), "" if options.device == "cpu" else f"_{options.device}"
    outcomes = [] if options.quick else goals.evaluate_goals(cases, stored)
    page = table.format_page(format_head(stored, options), cases, stored, outcomes)
    results.write_atomically(output / f"benchmarks{suffix}.md", page)
    results.write_atomically(output / f"benchmarks{suffix}.csv", table.format_csv(cases, stored))
    pictures = plots.draw_plots(cases, stored, output / "pictures", suffix)
    missing = sum(case.key not in stored for case in cases)
    failed = [case.key for case in cases if has_failed(stored.get(case.key))]
    print(f"{output / f'benchmarks{suffix}.md'}, .csv and {len(pictures)} plots written.")
    if missing:
        print(
            f"Time limit reached: {missing} of {len(cases)} cases remain. The same command "
            "continues the run."
        )
    for key in failed:
        print(f"FAILED: {key}: {stored.get(key)}")
    return int(bool(failed))


def has_failed(result):
    """Return True if the child or a contestant failed; a skipped contestant did not."""
    return bool(result) and ("died" in result or any("failed" in x for x in result.values()))


def format_head(stored, options):
    """Return the lines that describe the run, the machine, and how to read the tables."""
    stamp, quick = stored.stamp, " --quick" if options.quick else ""
    gpu = " --device gpu" if options.device == "gpu" else ""
    limits = [result for key, result in stored.by_key.items() if key.startswith("limits/")]
    devices = sorted({result["device"] for result in limits if result["device"]})
    names = ("keras", "tensorflow", "jax", "torch", "local-attention", "numpy")
    versions = ", ".join(f"{name} {stamp[name]}" for name in names if stamp[name])
    hardware = ", ".join(devices) or f"{stamp['processor']}, {stamp['cores']} cores"
    return [
        "# Benchmarks",
        "",
        f"`python -m benchmarks{quick}{gpu}` on {hardware}; Python {stamp['python']}, {versions}.",
        "",
        "The time of a call is the median of interleaved samples after warm-up; ± is half the "
        "interquartile range. A speed-up is the other implementation's time divided by ours, "
        "measured in the same process: if it is above 1, ours is faster. The compilation time is "
        "the time of the first call minus that of a warm call. The share of the limit is the "
        "minimum time in which this machine, at the rates below, could do the operations that the "
        "mathematics requires, divided by our time. A training step is the forward pass, the loss "
        "and the gradients of inputs and weights. Peak memory is measured in a process of its own, "
        "and excludes the memory held before the call. Implementations whose intermediate tensors "
        f"would need more than {MAX_INTERMEDIATE_BYTES / 1e9:.0f} GB are skipped. float32 products "
        "are computed in float32, without TF32.",
    ]
