"""The tables: one Markdown page with a table a family, and one CSV with every number."""

import csv
import io

from benchmarks.families import FAMILIES
from benchmarks.limits import RATES
from benchmarks.rows import OURS, machine_rates, rows_of, title_of

UNITS = {"flops": "Gflop/s", "bytes": "GB/s"}
COLUMNS = (
    "family,length,dtype,step,backend,mode,contestant,median_s,lower_quartile_s,upper_quartile_s,"
    "samples,compilation_s,times_ours,limit_s,share_of_limit,peak_bytes,note"
).split(",")


def markdown(head, cases, results, goals):
    """The whole page.

    Args:
        head: The lines that say what was run, where and how.
        cases: All cases of the run.
        results: `Results`.
        goals: List of `benchmarks.outcome.Outcome`, empty where the sizes are not theirs.
    """
    dtypes = list(dict.fromkeys(case.dtype for case in cases))
    parts = [*head, *(["", "## Goals", "", *goals_table(goals)] if goals else [])]
    parts += ["", "## The machine's limits", "", *limits_table(results, dtypes)]
    for family in FAMILIES.values():
        own = [case for case in cases if case.family == family.name]
        if not own:
            continue
        parts += ["", f"## {title_of(family, own[0])}", "", *times_table(family, own, results)]
        peaks = memory_table(family, own, results)
        parts += ["", *peaks] if peaks else []
    return "\n".join(parts) + "\n"


def grid(head, lines):
    """A Markdown table."""
    return [f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines]]


def goals_table(goals):
    return grid(
        ["goal", "measured", ""],
        [[goal.text, goal.measured, goal.verdict] for goal in goals],
    )


def limits_table(results, dtypes):
    """The machine's rates a dtype."""
    lines = []
    for dtype in dtypes:
        rates = machine_rates(results, dtype)
        lines.append([dtype, *(f"{rates[name] / 1e9:.3g}" for name in RATES)])
    return grid(["", *(f"{name}, {UNITS.get(name, 'G/s')}" for name in RATES)], lines)


def times_table(family, cases, results):
    """Our times, and of the others how many times ours they take."""
    others = [each.name for each in family.contestants if each.name != OURS]
    lines = []
    for case in sorted((c for c in cases if c.measure == "time"), key=_place):
        rows = {row.contestant: row for row in rows_of(case, results)}
        lines.append([*_where(case), *_ours(rows[OURS]), *(_other(rows.get(n)) for n in others)])
    head = ["T", "dtype", "step", "where", "ours, ms", "of the limit", "compilation, s"]
    return grid([*head, *others], lines)


def _place(case):
    return case.dtype != "float32", case.dtype, case.step, case.length, case.backend, case.mode


def _where(case):
    return [str(case.length), case.dtype, case.step, f"{case.backend} {case.mode}"]


def _ours(row):
    if row.times is None:
        return [row.note, "", ""]
    share = "" if row.share is None else f"{100 * row.share:.{0 if row.share > 0.1 else 1}f} %"
    return [_milliseconds(row.times), share, f"{row.times.compilation:.1f}"]


def _other(row):
    if row is None:
        return ""
    if row.times is None:
        return row.note
    if row.ratio is None:
        return f"{_milliseconds(row.times)} ms"
    return f"{row.ratio:.2f}× ± {100 * row.times.spread / 2:.0f} %"


def _milliseconds(times):
    return f"{1e3 * times.median:.3g} ± {100 * times.spread / 2:.0f} %"


def memory_table(family, cases, results):
    """Peaks in MB, where they were measured."""
    asked = [case for case in cases if case.measure == "memory"]
    measured = {case.contestant for case in asked}
    names = [each.name for each in family.contestants if each.name in measured]
    lines = {}
    for case in sorted(asked, key=_place):
        cells = lines.setdefault(tuple(_where(case)), dict.fromkeys(names, ""))
        cells[case.contestant] = _peak(results.get(case.key), case.contestant)
    return names and grid(
        ["T", "dtype", "step", "where", *(f"{name}, peak MB" for name in names)],
        [[*where, *cells.values()] for where, cells in lines.items()],
    )


def _peak(result, name):
    if result is None:
        return "not run: the time was up"
    if "died" in result:
        return result["died"]
    found = result[name]
    if "peak" not in found:
        return found.get("skipped") or found["failed"]
    return f"{found['peak'] / 1e6:.0f}"


def as_csv(cases, results):
    """Every contestant of every case, a line each; seconds and bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for case in cases:
        if case.measure == "time":
            writer.writerows(map(_values, rows_of(case, results)))
    return text.getvalue()


def _values(row):
    case, times = row.case, row.times
    where = [case.family, case.length, case.dtype, case.step, case.backend, case.mode]
    measured = [""] * 5
    if times is not None:
        seconds = times.median, times.lower, times.upper, times.compilation
        median, lower, upper, compilation = (f"{x:.6g}" for x in seconds)
        measured = [median, lower, upper, times.samples, compilation]
    derived = ["" if x is None else f"{x:.4g}" for x in (row.ratio, row.least, row.share)]
    peak = "" if row.peak is None else row.peak
    return [*where, row.contestant, *measured, *derived, peak, row.note]
