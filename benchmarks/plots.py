"""Plots of time and of peak memory against T, on logarithmic axes."""

from pathlib import Path

from benchmarks.families import FAMILIES
from benchmarks.rows import format_title, make_rows

MARKERS = "os^Dv"


def draw_plots(cases, results, folder, suffix=""):
    """Draw one plot of time and one of memory per family, if measured; return their paths."""
    import matplotlib

    matplotlib.use("Agg")
    paths = []
    for family in FAMILIES.values():
        family_cases = [
            case for case in cases if case.family == family.name and case.dtype == "float32"
        ]
        for quantity in ("time", "memory"):
            panels = _collect_panels(family_cases, results, quantity)
            if panels:
                path = Path(folder) / f"benchmark_{quantity}_{family.name}{suffix}.png"
                _draw_plot(family, family_cases[0], panels, quantity, path)
                paths.append(path)
    return paths


def _collect_panels(cases, results, quantity):
    """Return {(step, "backend mode"): {contestant: [(T, seconds or MB), ...]}}."""
    panels = {}
    for case in sorted(cases, key=lambda c: (c.step, c.backend, c.mode, c.length)):
        if case.measure != "time":  # the rows of a time case also have the peak memory
            continue
        for row in make_rows(case, results):
            value = row.peak_bytes if quantity == "memory" else row.times and row.times.median
            if value:
                panel = panels.setdefault((case.step, f"{case.backend} {case.mode}"), {})
                points = panel.setdefault(row.contestant, [])
                points.append((case.length, value / 1e6 if quantity == "memory" else value))
    # Drop panels without a line, that is, without a contestant that has at least two lengths.
    return {
        key: panel
        for key, panel in panels.items()
        if any(len(points) > 1 for points in panel.values())
    }


def _draw_plot(family, case, panels, quantity, path):
    from matplotlib import pyplot

    steps = [step for step in family.steps if any(key[0] == step for key in panels)]
    columns = list(dict.fromkeys(column for _, column in panels))
    style_numbers = {contestant.name: n for n, contestant in enumerate(family.contestants)}
    figure, axes = pyplot.subplots(
        len(steps),
        len(columns),
        figsize=(1 + 3.2 * len(columns), 0.8 + 2.8 * len(steps)),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    handles = {}
    for row, step in zip(axes, steps, strict=True):
        for axis, column in zip(row, columns, strict=True):
            for name, points in panels.get((step, column), {}).items():
                n = style_numbers[name]
                (handles[name],) = axis.plot(
                    *zip(*points, strict=True), f"{MARKERS[n]}-", color=f"C{n}", label=name
                )
            axis.set(xscale="log", yscale="log", title=f"{step}, {column}")
            _set_length_ticks(axis, panels)
            axis.grid(which="major", alpha=0.3)
        row[0].set_ylabel("seconds per call" if quantity == "time" else "peak memory, MB")
    for axis in axes[-1]:
        axis.set_xlabel("T")
    names = sorted(handles, key=style_numbers.get)
    figure.suptitle(format_title(family, case))
    figure.legend([handles[n] for n in names], names, loc="outside lower center", ncols=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _set_length_ticks(axis, panels):
    points = [point for panel in panels.values() for line in panel.values() for point in line]
    lengths = sorted({length for length, _ in points})
    axis.set_xticks(lengths, [str(t) for t in lengths], rotation=45)
    axis.minorticks_off()
