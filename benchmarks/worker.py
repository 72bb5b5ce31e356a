"""A child process with one backend: reads cases as JSON lines, writes what it measured.

    python -m benchmarks.worker tensorflow

`benchmarks.children` starts it. What libraries print goes to the standard error.
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
from benchmarks.cases import from_json
from benchmarks.engines import engine_of
from benchmarks.families import FAMILIES
from benchmarks.task import program_of


def contestants(case):
    """The names of those that run on the case's backend."""
    everyone = FAMILIES[case.family].contestants
    return [each.name for each in everyone if case.backend in each.backends]


def why_not(case, name, memory_limit):
    """Why a contestant is skipped, or None."""
    contestant = FAMILIES[case.family].contestant(name)
    held = contestant.held(dict(case.sizes), case.step, case.mode)
    if held > memory_limit:
        return f"would hold {held / 1e9:.1f} GB"
    if contestant.needs and importlib.util.find_spec(contestant.needs) is None:
        return f"needs the module {contestant.needs}"
    return None


def measure(case, memory_limit, budget):
    """{contestant: its numbers, or {"skipped": why}, or {"failed": how}}."""
    names = [case.contestant] if case.contestant else contestants(case)
    found = {name: why_not(case, name, memory_limit) for name in names}
    found = {name: {"skipped": why} for name, why in found.items() if why}
    running = [name for name in names if name not in found]
    if case.measure == "memory":
        return found | {name: _peak(case) for name in running}
    engine = engine_of(case.backend)
    engine.float32_precision(allow_tf32=case.dtype == "tf32")
    calls = {}
    for name in running:
        try:
            calls[name] = getattr(engine, case.step)(program_of(case, name), case.mode)
        except Exception as error:  # belongs in the table
            found[name] = {"failed": timing.message_of(error)}
    for name, times in timing.interleaved(calls, engine.wait, budget).items():
        is_time = isinstance(times, timing.Times)
        found[name] = dataclasses.asdict(times) if is_time else {"failed": times}
    return {name: found[name] for name in names}


def _peak(case):
    try:
        return {"peak": memory.peak_bytes(case)}
    except Exception as error:  # out of memory, most likely
        return {"failed": timing.message_of(error)}


def answer(backend, question):
    """What one line asks for."""
    if "limits" in question:
        engine = engine_of(backend)
        engine.float32_precision(allow_tf32=question["limits"] == "tf32")
        dtype = "bfloat16" if question["limits"] == "bfloat16" else "float32"
        rates = limits.rates(engine, question["mode"], dtype, question["quick"])
        return {"device": engine.device(), "rates": rates}
    return measure(from_json(question["case"]), question["memory_limit"], question["budget"])


def hold_back():
    """Lets this process fail, and not the machine, where more memory is asked for than there is."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    available = 1024 * int(re.search(r"MemAvailable:\s+(\d+) kB", text)[1])
    resource.setrlimit(resource.RLIMIT_DATA, (int(0.9 * available),) * 2)


def main():
    backend = sys.argv[1]
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":  # a GPU's driver reserves what it never uses
        hold_back()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # so that a library that prints does not spoil an answer
    for line in sys.stdin:
        print(json.dumps(answer(backend, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
