"""Rows of the tables: what was measured of each contestant, and what follows from it."""

import dataclasses

from benchmarks import limits
from benchmarks.families import FAMILIES
from benchmarks.timing import Times

OURS = "ours"


@dataclasses.dataclass(frozen=True)
class Row:
    """One contestant of one case.

    times: None where it was not measured, for the reason in `note`; ratio: its time by ours;
    share: of the machine's limit, 1 = as fast as the mathematics allows; least: that limit in
    seconds; peak: bytes, or None.
    """

    case: object
    contestant: str
    times: Times | None = None
    ratio: float | None = None
    share: float | None = None
    least: float | None = None
    peak: int | None = None
    note: str = ""


def title_of(family, case):
    """What a family is, and its sizes but the length."""
    sizes = (f"{name} {size}" for name, size in case.sizes if name != "length")
    return f"{family.title}: {', '.join(sizes)}"


def rates_key(backend, mode, dtype):
    """Where the rates of a backend are kept among the results."""
    return f"limits/{backend}/{mode}/{dtype}"


def machine_rates(results, dtype):
    """The machine's rates in that dtype; infinite where none was measured."""
    found = [result for key, result in results.found.items() if key.startswith("limits/")]
    return limits.best([each["rates"] for each in found if each.get("dtype") == dtype])


def rows_of(case, results):
    """The rows of a case that measures times, ours first."""
    result = results.get(case.key)
    family = FAMILIES[case.family]
    names = [each.name for each in family.contestants if case.backend in each.backends]
    if result is None or "died" in result:
        why = "not run: the time was up" if result is None else result["died"]
        return [Row(case, n, peak=peak_of(case, n, results), note=why) for n in names]
    least = family.work(dict(case.sizes), case.step).seconds(machine_rates(results, case.dtype))
    ours = result.get(OURS, {}).get("median")
    return [_row(case, name, result.get(name, {}), ours, least, results) for name in names]


def _row(case, name, found, ours, least, results):
    peak = peak_of(case, name, results)
    if "median" not in found:
        note = found.get("skipped") or found.get("failed") or "not run"
        return Row(case, name, least=least, peak=peak, note=note)
    times = Times(**found)
    ratio = times.median / ours if ours else None
    return Row(case, name, times, ratio, least / times.median or None, least, peak)


def peak_of(case, name, results):
    """Bytes that the contestant took in a process of its own, or None."""
    memory = dataclasses.replace(case, measure="memory", contestant=name)
    return (results.get(memory.key) or {}).get(name, {}).get("peak")
