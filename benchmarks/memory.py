"""Measurement of the peak memory of one contestant, in a process of its own.

On a CPU, the result is the peak memory of the process during the call minus the memory that it held
just before. Before the call, there is a warm-up at a small length, and the data is created. So the
result excludes backend, compiler, weights, and most of inputs and outputs. On a GPU, the result is
the peak of the backend's allocator, which includes the data.
"""

import contextlib
import dataclasses
import gc
import re
from pathlib import Path

MAX_WARMUP_LENGTH = 32


def measure_peak_bytes(case):
    """Return the peak memory in bytes of a `benchmarks.cases.Case`, as defined above."""
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
    """Reset the process's peak memory to its present memory; return the present memory."""
    # Some systems refuse the reset. Then the peak is that of the process's whole lifetime.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _read_status("VmRSS")


def _read_status(name):
    """Return a field of Linux's /proc/self/status in bytes."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", text)[1])
