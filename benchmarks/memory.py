"""The peak memory of one contestant, measured in a process of its own.

On a CPU it is the process's high-water mark minus the memory that the process held before the call,
after a warm-up at a small length and after creating the data: backend, compiler and weights are not
included, inputs and outputs hardly. On a GPU it is the allocator's own mark, data included.
"""

import contextlib
import dataclasses
import gc
import re
from pathlib import Path

MAX_WARMUP_LENGTH = 32


def measure_peak_bytes(case):
    """Return the bytes above the level before the call, for a `benchmarks.cases.Case`."""
    warmup_length = min(MAX_WARMUP_LENGTH, case.length)
    warmup_sizes = tuple({**dict(case.sizes), "length": warmup_length}.items())
    engine, call = _make_call(dataclasses.replace(case, sizes=warmup_sizes))
    for _ in range(2):
        engine.wait(call())
    del call
    engine, call = _make_call(case)
    gc.collect()
    before = _reset_peak()
    for _ in range(2):
        engine.wait(call())
    accelerator_peak = engine.get_peak_bytes()
    return _read_status("VmHWM") - before if accelerator_peak is None else accelerator_peak


def _make_call(case):
    from benchmarks.engines import get_engine, make_call
    from benchmarks.task import make_program

    engine = get_engine(case.backend)
    program = make_program(case, case.contestant)
    return engine, make_call(engine, program, case.step, case.mode)


def _reset_peak():
    """Reset the process's high-water mark to its present memory, and return that."""
    # Some systems refuse this; then the mark includes all memory that the process ever held.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _read_status("VmRSS")


def _read_status(name):
    """Return a field of Linux's /proc/self/status in bytes."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", text)[1])
