"""The tables of a run: a Markdown page with a table per family, and a CSV with all values."""

import csv
import io

from benchmarks.families import FAMILIES
from benchmarks.limits import RATES
from benchmarks.rows import OURS, format_title, get_machine_rates, make_rows

UNITS = {"flops": "Gflop/s", "bytes": "GB/s"}
COLUMNS = (
    "family,length,dtype,step,backend,mode,contestant,median_s,lower_quartile_s,upper_quartile_s,"
    "samples,compilation_s,speed_up,limit_s,share_of_limit,peak_bytes,note"
).split(",")


def format_page(head, cases, results, goals):
    """Return the whole Markdown page.

    Args:
        head: Lines that describe the run and explain its tables.
        cases: All cases of the run.
        results: `Results`.
        goals: List of `benchmarks.outcome.Outcome`; empty for a quick run.
    """
    dtypes = list(dict.fromkeys(case.dtype for case in cases))
    parts = [*head, *(["", "## Goals", "", *format_goals(goals)] if goals else [])]
    parts += ["", "## The machine's limits", "", *format_limits(results, dtypes)]
    for family in FAMILIES.values():
        family_cases = [case for case in cases if case.family == family.name]
        if not family_cases:
            continue
        parts += ["", f"## {format_title(family, family_cases[0])}", ""]
        parts += format_times(family, family_cases, results)
        memory_lines = format_memory(family, family_cases, results)
        parts += ["", *memory_lines] if memory_lines else []
    return "\n".join(parts) + "\n"


def format_table(head, lines):
    """Return the lines of a Markdown table."""
    return [f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines]]


def format_goals(goals):
    return format_table(
        ["goal", "measured", "verdict"],
        [[goal.text, goal.measured, goal.verdict] for goal in goals],
    )


def format_limits(results, dtypes):
    """Return a table of the machine's rates per dtype."""
    lines = []
    for dtype in dtypes:
        rates = get_machine_rates(results, dtype)
        lines.append([dtype, *(f"{rates[name] / 1e9:.3g}" for name in RATES)])
    head = ["dtype", *(f"{name}, {UNITS.get(name, 'G/s')}" for name in RATES)]
    return format_table(head, lines)


def format_times(family, cases, results):
    """Return a table of our times and our speed-ups over the other contestants."""
    names = [c.name for c in family.contestants if c.name != OURS]
    lines = []
    for case in sorted((c for c in cases if c.measure == "time"), key=_sort_key):
        rows = {row.contestant: row for row in make_rows(case, results)}
        speed_ups = [_format_speed_up(rows.get(name)) for name in names]
        lines.append([*_format_case(case), *_format_ours(rows[OURS]), *speed_ups])
    head = ["T", "dtype", "step", "backend", "ours, ms", "share of limit", "compilation, s"]
    return format_table([*head, *(f"speed-up over {name}" for name in names)], lines)


def _sort_key(case):
    return case.dtype != "float32", case.dtype, case.step, case.length, case.backend, case.mode


def _format_case(case):
    return [str(case.length), case.dtype, case.step, f"{case.backend} {case.mode}"]


def _format_ours(row):
    if row.times is None:
        return [row.note, "", ""]
    share = ""
    if row.limit_share is not None:
        share = f"{100 * row.limit_share:.{0 if row.limit_share > 0.1 else 1}f} %"
    return [_format_milliseconds(row.times), share, f"{row.times.compilation:.1f}"]


def _format_speed_up(row):
    if row is None:
        return ""
    if row.times is None:
        return row.note
    if row.speed_up is None:
        return f"{_format_milliseconds(row.times)} ms"
    return f"{row.speed_up:.2f}× ± {100 * row.times.spread / 2:.0f} %"


def _format_milliseconds(times):
    return f"{1e3 * times.median:.3g} ± {100 * times.spread / 2:.0f} %"


def format_memory(family, cases, results):
    """Return a table of peak memory in MB, or an empty list if none is to be measured."""
    memory_cases = [case for case in cases if case.measure == "memory"]
    contestants = {case.contestant for case in memory_cases}
    names = [c.name for c in family.contestants if c.name in contestants]
    lines = {}
    for case in sorted(memory_cases, key=_sort_key):
        cells = lines.setdefault(tuple(_format_case(case)), dict.fromkeys(names, ""))
        cells[case.contestant] = _format_peak(results.get(case.key), case.contestant)
    return names and format_table(
        ["T", "dtype", "step", "backend", *(f"{name}, peak MB" for name in names)],
        [[*case, *cells.values()] for case, cells in lines.items()],
    )


def _format_peak(result, name):
    if result is None:
        return "not run: time limit reached"
    if "died" in result:
        return result["died"]
    measured = result[name]
    if "peak" not in measured:
        return measured.get("skipped") or measured["failed"]
    return f"{measured['peak'] / 1e6:.0f}"


def format_csv(cases, results):
    """Return the CSV, with one line per contestant and case, in seconds and bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for case in cases:
        if case.measure == "time":
            writer.writerows(map(_make_csv_line, make_rows(case, results)))
    return text.getvalue()


def _make_csv_line(row):
    case, times = row.case, row.times
    conditions = [case.family, case.length, case.dtype, case.step, case.backend, case.mode]
    measured = [""] * 5
    if times is not None:
        seconds = times.median, times.lower, times.upper, times.compilation
        median, lower, upper, compilation = (f"{x:.6g}" for x in seconds)
        measured = [median, lower, upper, times.samples, compilation]
    derived = [
        "" if value is None else f"{value:.4g}"
        for value in (row.speed_up, row.limit_seconds, row.limit_share)
    ]
    peak = "" if row.peak_bytes is None else row.peak_bytes
    return [*conditions, row.contestant, *measured, *derived, peak, row.note]
