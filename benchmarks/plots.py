"""Pictures: time against T and memory against T, on logarithmic axes."""

from pathlib import Path

from benchmarks.families import FAMILIES
from benchmarks.rows import rows_of, title_of

MARKERS = "os^Dv"


def draw(cases, results, folder, suffix=""):
    """Draws a picture of times a family, and one of memory; the paths of those there are."""
    import matplotlib

    matplotlib.use("Agg")
    found = []
    for family in FAMILIES.values():
        own = [case for case in cases if case.family == family.name and case.dtype == "float32"]
        for quantity in ("time", "memory"):
            lines = _lines(family, own, results, quantity)
            if lines:
                path = Path(folder) / f"benchmark_{quantity}_{family.name}{suffix}.png"
                _picture(family, own[0], lines, quantity, path)
                found.append(path)
    return found


def _lines(family, cases, results, quantity):
    """{(step, where): {contestant: points (T, seconds or MB)}} of what was measured."""
    lines = {}
    for case in sorted(cases, key=lambda c: (c.step, c.backend, c.mode, c.length)):
        if case.measure != "time":
            continue
        for row in rows_of(case, results):
            value = row.peak if quantity == "memory" else row.times and row.times.median
            if value:
                panel = lines.setdefault((case.step, f"{case.backend} {case.mode}"), {})
                points = panel.setdefault(row.contestant, [])
                points.append((case.length, value / 1e6 if quantity == "memory" else value))
    # One length alone draws no line.
    return {k: panel for k, panel in lines.items() if any(len(x) > 1 for x in panel.values())}


def _picture(family, case, lines, quantity, path):
    from matplotlib import pyplot

    steps = [step for step in family.steps if any(key[0] == step for key in lines)]
    places = list(dict.fromkeys(where for _, where in lines))
    styles = {each.name: n for n, each in enumerate(family.contestants)}
    figure, axes = pyplot.subplots(
        len(steps),
        len(places),
        figsize=(1 + 3.2 * len(places), 0.8 + 2.8 * len(steps)),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    handles = {}
    for row, step in zip(axes, steps, strict=True):
        for axis, where in zip(row, places, strict=True):
            for name, points in lines.get((step, where), {}).items():
                n = styles[name]
                (handles[name],) = axis.plot(
                    *zip(*points, strict=True), f"{MARKERS[n]}-", color=f"C{n}", label=name
                )
            axis.set(xscale="log", yscale="log", title=f"{step}, {where}")
            _label_lengths(axis, lines)
            axis.grid(which="major", alpha=0.3)
        row[0].set_ylabel("seconds a call" if quantity == "time" else "peak memory, MB")
    for axis in axes[-1]:
        axis.set_xlabel("T")
    ordered = sorted(handles, key=styles.get)
    figure.suptitle(title_of(family, case))
    figure.legend([handles[n] for n in ordered], ordered, loc="outside lower center", ncols=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _label_lengths(axis, lines):
    points = [point for panel in lines.values() for line in panel.values() for point in line]
    lengths = sorted({length for length, _ in points})
    axis.set_xticks(lengths, [str(t) for t in lengths], rotation=45)
    axis.minorticks_off()
