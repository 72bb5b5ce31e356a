"""Learning curves of several runs in one plot, as in the papers."""

import matplotlib.pyplot as plt

from examples.training import write


def draw(
    curves, figure, path, x_label, y_label, each=1, logarithmic=False, lines=None, styles=None
):
    """Plot one metric of several runs against the amount of training.

    Args:
        curves: Dict of run name to the run's curve, as `examples.training.train` returns it.
        figure: Name of the metric in the curves.
        path: PNG file to write.
        x_label, y_label: Axis labels, with units.
        each: Length of an epoch on the x axis, for example in thousands of sequences.
        logarithmic: Whether the y axis is logarithmic.
        lines: Dict of label to value: the paper's results, drawn as dashed horizontal lines.
        styles: Dict of run name to a dict of options of matplotlib's `plot`.
    """
    canvas, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, curve in curves.items():
        heights = [epoch[figure] for epoch in curve]
        amounts = [each * (1 + number) for number in range(len(curve))]
        axes.plot(amounts, heights, label=name, **(styles or {}).get(name, {}))
    for name, height in (lines or {}).items():
        axes.axhline(height, linestyle="--", linewidth=1, color="grey")
        axes.annotate(
            name, (1, height), xycoords=("axes fraction", "data"), ha="right", va="bottom"
        )
    if logarithmic:
        axes.set_yscale("log")
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.legend()
    write(path, lambda file: canvas.savefig(file, dpi=120))
    plt.close(canvas)
