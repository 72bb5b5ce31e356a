"""Learning curves in one picture, as the papers draw them."""

import matplotlib.pyplot as plt

from examples.training import write


def draw(curves, figure, path, x_label, y_label, each=1, logarithmic=False, lines=None):
    """Draws one figure of several runs against what they had seen.

    Args:
        curves: Dict of a run's name to its curve as `examples.training.train` returns it.
        figure: Name of the figure to draw.
        path: PNG file to write.
        x_label, y_label: With units.
        each: What one epoch counts on the x axis, as in thousands of sequences.
        logarithmic: Whether the y axis is.
        lines: Dict of name to a height: figures of the paper, drawn as dashed lines.
    """
    canvas, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, curve in curves.items():
        heights = [epoch[figure] for epoch in curve]
        axes.plot([each * (1 + number) for number in range(len(curve))], heights, label=name)
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
