"""The rows of the tables: measurements of each contestant, and values derived from them."""

import dataclasses

from benchmarks import limits
from benchmarks.families import FAMILIES
from benchmarks.timing import Times

OURS = "ours"


@dataclasses.dataclass(frozen=True)
class Row:
    """The measurements of one contestant in one case.

    times: None if it was not measured, for the reason in `note`. speed_up: its time / our time.
    limit_seconds: the minimum time at the machine's limits. limit_share: limit_seconds / its time;
    1 is as fast as the machine allows. peak_bytes: its peak memory, or None.
    """

    case: object
    contestant: str
    times: Times | None = None
    speed_up: float | None = None
    limit_share: float | None = None
    limit_seconds: float | None = None
    peak_bytes: int | None = None
    note: str = ""


def format_title(family, case):
    """Return a family's title and its sizes other than the length."""
    sizes = (f"{name} {size}" for name, size in case.sizes if name != "length")
    return f"{family.title}: {', '.join(sizes)}"


def make_rates_key(backend, mode, dtype):
    """Return the key under which the rates of a backend are stored in the results."""
    return f"limits/{backend}/{mode}/{dtype}"


def get_machine_rates(results, dtype):
    """Return the machine's rates in a dtype; a rate that was not measured is infinite."""
    measured = [value for key, value in results.by_key.items() if key.startswith("limits/")]
    return limits.combine_rates(
        [value["rates"] for value in measured if value.get("dtype") == dtype]
    )


def make_rows(case, results):
    """Return the rows of a case that measures times, ours first."""
    result = results.get(case.key)
    family = FAMILIES[case.family]
    names = [c.name for c in family.contestants if case.backend in c.backends]
    if result is None or "died" in result:
        note = "not run: time limit reached" if result is None else result["died"]
        return [
            Row(case, name, peak_bytes=get_peak_bytes(case, name, results), note=note)
            for name in names
        ]
    work = family.count_work(dict(case.sizes), case.step)
    limit_seconds = work.seconds(get_machine_rates(results, case.dtype))
    our_median = result.get(OURS, {}).get("median")
    return [
        _make_row(case, name, result.get(name, {}), our_median, limit_seconds, results)
        for name in names
    ]


def _make_row(case, name, measured, our_median, limit_seconds, results):
    peak_bytes = get_peak_bytes(case, name, results)
    if "median" not in measured:
        note = measured.get("skipped") or measured.get("failed") or "not run"
        return Row(case, name, limit_seconds=limit_seconds, peak_bytes=peak_bytes, note=note)
    times = Times(**measured)
    speed_up = times.median / our_median if our_median else None
    limit_share = limit_seconds / times.median or None
    return Row(case, name, times, speed_up, limit_share, limit_seconds, peak_bytes)


def get_peak_bytes(case, name, results):
    """Return the peak memory of a contestant, or None if it was not measured."""
    memory_case = dataclasses.replace(case, measure="memory", contestant=name)
    return (results.get(memory_case.key) or {}).get(name, {}).get("peak")
