"""Memory accesses over time, in the style of Graves et al. (2014), figure 6."""

import itertools
import os
from typing import TYPE_CHECKING

from keras_attention.types import Tensor
from keras_attention.visualize.figures import make_figure
from keras_attention.visualize.film_panel import FONT_SIZE, draw_film_panel, split_into_panels
from keras_attention.visualize.save import save_figure, to_picture_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches. MARGIN is the height of the figure's title and of the axis label below the last row.
WIDTH, PANEL_TITLE_HEIGHT, MARGIN = 10.0, 0.35, 0.6


def memory_film(
    read_addresses: Tensor,
    write_addresses: Tensor,
    inputs: Tensor | None = None,
    outputs: Tensor | None = None,
    additions: Tensor | None = None,
    reads: Tensor | None = None,
    title: str | None = None,
    path: str | os.PathLike | None = None,
) -> "Figure":
    """Draw the addresses and vectors of a memory's write heads and read heads over time.

    Time is along x. An address has the memory's slots along y, slot 0 at the top; black is weight 0
    and white is weight 1. Vectors have their components along y: blue below 0 and red above, scaled
    by the largest magnitude in the panel. The left column shows writing, from top to bottom:
    inputs, additions, write addresses. The right column shows reading: outputs, reads, read
    addresses. Arguments that are None are left out. Each head has its own panel.

    Args:
        read_addresses: (T, slots), or (T, heads, slots); floats in [0, 1], of any backend, of one
            sequence; named as in `NTMCell.split_outputs`.
        write_addresses: Like `read_addresses`; the number of heads may differ.
        inputs: (T, any), real numbers. Default: no panel.
        outputs: (T, any), real numbers. Default: no panel.
        additions: (T, width), or (T, heads, width), real numbers. Default: no panel.
        reads: (T, width), or (T, heads, width), real numbers. Default: no panel.
        title: The title of the figure. Default: none.
        path: The file to write: `.png`, `.svg` or `.pdf`. Missing directories are created, and an
            existing file is replaced atomically. Default: no file.

    Returns:
        A `matplotlib.figure.Figure`, which is not registered with pyplot.

    Raises:
        ValueError: If arrays have the wrong rank, differ in their numbers of steps or slots, or are
            not finite; if addresses are not in [0, 1]; if the title is not a string; if the path
            has an unsupported suffix.

    Example:
        >>> from keras_attention.visualize import memory_film
        >>> one_slot_per_step = np.eye(5)
        >>> figure = memory_film(one_slot_per_step, one_slot_per_step)
        >>> [axes.get_title() for axes in figure.axes[:2]]
        ['write addresses', 'read addresses']

    Differs from the paper's figure in having color bars.

    Reference: Graves, Wayne, Danihelka, "Neural Turing Machines", 2014, section 4.1, figure 6,
    https://arxiv.org/abs/1410.5401.
    """
    if read_addresses is None or write_addresses is None:
        raise ValueError(
            "Expected `read_addresses` and `write_addresses` to be arrays. Received: "
            f"read_addresses={read_addresses!r}, write_addresses={write_addresses!r}"
        )
    sections = (
        (
            split_into_panels("inputs", inputs, has_heads=False),
            split_into_panels("outputs", outputs, has_heads=False),
        ),
        (split_into_panels("additions", additions), split_into_panels("reads", reads)),
        (
            split_into_panels("write_addresses", write_addresses, is_address=True),
            split_into_panels("read_addresses", read_addresses, is_address=True),
        ),
    )
    rows = [pair for section in sections for pair in itertools.zip_longest(*section)]
    check_sizes([panel for pair in rows for panel in pair if panel])
    if title is not None and not isinstance(title, str):
        raise ValueError(f"Expected `title` to be a string or None. Received: title={title!r}")
    path = path if path is None else to_picture_path(path)

    heights = [max(panel.height for panel in pair if panel) for pair in rows]
    size = WIDTH, sum(heights) + PANEL_TITLE_HEIGHT * len(rows) + MARGIN
    figure = make_figure(layout="constrained", figsize=size)
    if title:
        figure.suptitle(title, fontsize=FONT_SIZE + 3, parse_math=False)
    grid = figure.subplots(len(rows), 2, squeeze=False, height_ratios=heights)
    for axes, panel in zip(grid.flat, itertools.chain(*rows), strict=True):
        if panel is None:
            axes.set_axis_off()
        else:
            draw_film_panel(figure, axes, panel)
    for axes in grid[-1]:
        axes.set_xlabel("time", fontsize=FONT_SIZE)
    if path is not None:
        save_figure(figure, path)
    return figure


def check_sizes(panels):
    """Raise a ValueError if panels differ in their time steps, or addresses in their slots."""
    steps = {panel.name: panel.matrix.shape[1] for panel in panels}
    if len(set(steps.values())) > 1:
        raise ValueError(
            f"Expected all arrays to have the same number of steps. Received: steps={steps}"
        )
    slots = {panel.name: len(panel.matrix) for panel in panels if panel.is_address}
    if len(set(slots.values())) > 1:
        raise ValueError(
            f"Expected all addresses to have the same number of slots. Received: slots={slots}"
        )
