"""The peak memory of one contestant, in a process that does nothing else.

On a CPU it is the process's high-water mark above what it held with the same program at a small
length run and its data made: backend, compiler and weights do not count, inputs and outputs
hardly. On a GPU it is the allocator's own mark, data included.
"""

import contextlib
import dataclasses
import gc
import re
from pathlib import Path

SMALL = 32  # the length of the rehearsal


def peak_bytes(case):
    """Bytes above the level before the call, of a `benchmarks.cases.Case` of one contestant."""
    small = tuple({**dict(case.sizes), "length": min(SMALL, case.length)}.items())
    engine, rehearsal = _call(dataclasses.replace(case, sizes=small))
    for _ in range(2):
        engine.wait(rehearsal())
    del rehearsal
    engine, call = _call(case)
    gc.collect()
    before = _start_anew()
    for _ in range(2):
        engine.wait(call())
    on_accelerator = engine.peak_bytes()
    return _status("VmHWM") - before if on_accelerator is None else on_accelerator


def _call(case):
    from benchmarks.engines import engine_of
    from benchmarks.task import program_of

    engine = engine_of(case.backend)
    program = program_of(case, case.contestant)
    return engine, getattr(engine, case.step)(program, case.mode)


def _start_anew():
    """Sets the high-water mark to what is held now, and returns that."""
    with contextlib.suppress(OSError):  # not everywhere allowed; then the mark is of all that was
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def _status(name):
    """A line of Linux's account of this process, in bytes."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", text)[1])
