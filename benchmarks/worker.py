"""The program of a child process with one backend, which answers questions by measurements.

    python -m benchmarks.worker tensorflow

`benchmarks.children` starts it. It reads questions from standard input and writes answers to
standard output, as JSON lines. The output of libraries is redirected to standard error.
"""

import dataclasses
import importlib.util
import json
import os
import re
import resource
import sys
from pathlib import Path

from benchmarks import limits, memory, timing
from benchmarks.cases import Case
from benchmarks.engines import get_engine, make_call
from benchmarks.families import FAMILIES
from benchmarks.task import make_program

MAX_MEMORY_FRACTION = 0.9  # of the memory that is available when the process starts


def list_contestants(case, quick):
    """Return the names of the contestants that run on the case's backend."""
    contestants = FAMILIES[case.family].contestants
    return [
        c.name for c in contestants if case.backend in c.backends and (c.in_quick_run or not quick)
    ]


def get_skip_reason(case, name, max_intermediate_bytes):
    """Return the reason to skip a contestant, or None."""
    contestant = FAMILIES[case.family].get_contestant(name)
    intermediate_bytes = contestant.intermediate_bytes(dict(case.sizes), case.step, case.mode)
    if intermediate_bytes > max_intermediate_bytes:
        return f"would need {intermediate_bytes / 1e9:.1f} GB"
    if contestant.needs and importlib.util.find_spec(contestant.needs) is None:
        return f"needs the module {contestant.needs}"
    return None


def measure(case, max_intermediate_bytes, budget, quick=False):
    """Return {contestant: its measurements, or {"skipped": reason}, or {"failed": error}}."""
    names = [case.contestant] if case.contestant else list_contestants(case, quick)
    reasons = {name: get_skip_reason(case, name, max_intermediate_bytes) for name in names}
    results = {name: {"skipped": reason} for name, reason in reasons.items() if reason}
    running = [name for name in names if name not in results]
    if case.measure == "memory":
        return results | {name: _measure_peak(case) for name in running}
    engine = get_engine(case.backend)
    engine.set_float32_precision(allow_tf32=case.dtype == "tf32")
    calls = {}
    for name in running:
        try:
            calls[name] = make_call(engine, make_program(case, name), case.step, case.mode)
        except Exception as error:  # the table reports any error
            results[name] = {"failed": timing.format_error(error)}
    for name, times in timing.measure_interleaved(calls, engine.wait, budget).items():
        is_time = isinstance(times, timing.Times)
        results[name] = dataclasses.asdict(times) if is_time else {"failed": times}
    return {name: results[name] for name in names}


def _measure_peak(case):
    try:
        return {"peak": memory.measure_peak_bytes(case)}
    except Exception as error:  # mostly because the memory is exhausted
        return {"failed": timing.format_error(error)}


def answer(backend, question):
    """Answer one question: for the rates of the machine's limits, or for a case."""
    if "limits" in question:
        engine = get_engine(backend)
        engine.set_float32_precision(allow_tf32=question["limits"] == "tf32")
        dtype = "bfloat16" if question["limits"] == "bfloat16" else "float32"
        rates = limits.measure_rates(engine, question["mode"], dtype, question["quick"])
        return {"device": engine.get_device_name(), "rates": rates}
    case = Case.from_json(question["case"])
    options = (question[name] for name in ("max_intermediate_bytes", "budget", "quick"))
    return measure(case, *options)


def limit_memory():
    """Limit this process's memory, so that its allocations fail before the machine runs out."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    available = 1024 * int(re.search(r"MemAvailable:\s+(\d+) kB", text)[1])
    resource.setrlimit(resource.RLIMIT_DATA, (int(MAX_MEMORY_FRACTION * available),) * 2)


def main():
    backend = sys.argv[1]
    # A GPU's driver reserves much more memory than it uses, so the limit is for CPUs only.
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        limit_memory()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keeps the output of libraries out of the answers
    for line in sys.stdin:
        print(json.dumps(answer(backend, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
