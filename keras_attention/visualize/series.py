"""Attention over the steps of a time series."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_attention.types import Tensor
from keras_attention.visualize.arrays import check_count, to_array, to_list, to_weights
from keras_attention.visualize.characters import make_visible
from keras_attention.visualize.figures import make_figure
from keras_attention.visualize.fonts import choose_fonts
from keras_attention.visualize.save import save_figure, to_picture_path
from keras_attention.visualize.views.colors import get_head_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, PANEL_HEIGHT, MARGIN = 8.0, 1.5, 0.5  # inches
FONT_SIZE = 10  # points
MAX_OPACITY = 0.6


def series(
    signal: Tensor,
    weights: Tensor,
    labels: Sequence[str] | None = None,
    titles: str | Sequence[str] | None = None,
    path: str | os.PathLike | None = None,
) -> "Figure":
    """Draw a time series on a background that is darker where its steps have larger weights.

    Several rows of weights, such as those of several heads or output steps, have a panel each. The
    darkness of a panel is relative to the panel's largest weight, which its color bar shows.

    Args:
        signal: (T,) or (T, channels), real numbers, of any backend. Each channel is a line.
        weights: (n,) or (rows, n), floats in [0, 1], of any backend. T is a multiple of n: each
            weight belongs to T / n consecutive steps.
        labels: A string for each channel. Default: no legend.
        titles: A string for each row of weights, or one string. Default: no titles.
        path: The file to write: `.png`, `.svg` or `.pdf`. Missing directories are created, and an
            existing file is replaced atomically. Default: no file.

    Returns:
        A `matplotlib.figure.Figure`, which is not registered with pyplot.

    Raises:
        ValueError: If the signal or the weights have the wrong rank, are not finite or, for
            weights, not in [0, 1]; if the number of steps is not a multiple of the number of
            weights; if the length of a list does not fit; if the path has an unsupported suffix.

    Example:
        >>> from keras_attention.visualize import series
        >>> steps = np.arange(100)
        >>> figure = series(np.sin(steps / 5), np.eye(2, 100), titles=["head 0", "head 1"])
        >>> [axes.get_title() for axes in figure.axes[:2]]
        ['head 0', 'head 1']
    """
    signal = to_array("signal", signal)
    if signal.ndim not in (1, 2) or 0 in signal.shape:
        raise ValueError(
            f"Expected `signal` of shape (T,) or (T, channels). Received: shape {signal.shape}"
        )
    signal = signal.reshape(len(signal), -1)
    rows = to_weights(weights)
    if rows.ndim not in (1, 2) or 0 in rows.shape or len(signal) % rows.shape[-1]:
        raise ValueError(
            f"Expected `weights` of shape (n,) or (rows, n), where n divides the {len(signal)} "
            f"steps of the signal. Received: weights of shape {rows.shape}"
        )
    rows = rows.reshape(-1, rows.shape[-1])
    channels = _parse_texts("labels", labels, signal.shape[1], "channels")
    titles = [titles] if isinstance(titles, str) else titles
    panel_titles = _parse_texts("titles", titles, len(rows), "rows of weights")
    path = path if path is None else to_picture_path(path)

    height = PANEL_HEIGHT * len(rows) + MARGIN
    figure = make_figure(layout="constrained", figsize=(WIDTH, height))
    panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    for axes, row, title in zip(panels, rows, panel_titles, strict=True):
        _draw_panel(figure, axes, signal, row)
        if title is not None:
            text, families = choose_fonts(make_visible(title))
            axes.set_title(text, fontsize=FONT_SIZE, fontfamily=families, parse_math=False)
    panels[-1].set_xlabel("step", fontsize=FONT_SIZE)
    if labels is not None:
        _draw_legend(panels[0], channels)
    if path is not None:
        save_figure(figure, path)
    return figure


def _parse_texts(name, texts, count, noun):
    """Return a list with a string or None for each of `count` things."""
    if texts is None:
        return [None] * count
    texts = to_list(name, texts)
    check_count(name, texts, count, noun)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"Expected `{name}` to hold strings. Received: {name}={texts!r}")
    return texts


def _draw_panel(figure, axes, signal, weights):
    steps = len(signal)
    margin = 0.05 * float(np.ptp(signal)) or 1.0
    low, high = signal.min() - margin, signal.max() + margin
    image = axes.imshow(
        weights[None],
        cmap="Greys",
        vmin=0,
        vmax=float(weights.max()) or 1.0,
        alpha=MAX_OPACITY,
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, steps - 0.5, low, high),
    )
    for channel, values in enumerate(signal.T):
        color, dashes = get_head_style(channel)
        axes.plot(values, color=color, linestyle=dashes, linewidth=1)
    axes.grid(False)
    axes.tick_params(labelsize=FONT_SIZE - 2)
    bar = figure.colorbar(image, ax=axes, pad=0.01, ticks=[0, image.norm.vmax])
    bar.ax.set_yticklabels(["0", f"{image.norm.vmax:.2g}"], fontsize=FONT_SIZE - 2)


def _draw_legend(axes, labels):
    texts = [choose_fonts(make_visible(label)) for label in labels]
    names = [text for text, _ in texts]
    legend = axes.legend(axes.lines, names, loc="upper right", fontsize=FONT_SIZE - 2)
    for label, (_, families) in zip(legend.get_texts(), texts, strict=True):
        label.set_fontfamily(families)
        label.set_parse_math(False)
