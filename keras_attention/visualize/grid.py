"""Arrange panels of different sizes in a grid, with a color bar beside them."""

from typing import NamedTuple

GAP, BAR_WIDTH, MAX_BAR_HEIGHT = 0.3, 0.13, 2.2  # inches


class Extent(NamedTuple):
    """The size of a panel's cells, and the space for labels on each side of them, in inches."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float


def arrange_panels(figure, panels, columns):
    """Resize the figure and place the panels row by row, with their upper left cells aligned."""
    extents = [measure_extent(figure, axes) for axes in panels]
    rows = [extents[start : start + columns] for start in range(0, len(extents), columns)]
    by_column = [[row[n] for row in rows if n < len(row)] for n in range(columns)]

    x, lefts = GAP, []
    for column in by_column:
        lefts.append(x + max(extent.left for extent in column))
        x = lefts[-1] + max(extent.width + extent.right for extent in column) + GAP
    y, tops = GAP, []
    for row in rows:
        tops.append(y + max(extent.top for extent in row))
        y = tops[-1] + max(extent.height + extent.bottom for extent in row) + GAP

    bar = figure.add_axes((0, 0, 1, 1), label="color bar")
    figure.colorbar(panels[0].images[0], cax=bar, ticks=[0, 0.5, 1])
    bar_height = min(MAX_BAR_HEIGHT, max(extent.height for extent in rows[0]))
    width = x + BAR_WIDTH + measure_extent(figure, bar).right + GAP
    figure.set_size_inches(width, y)
    for n, (axes, extent) in enumerate(zip(panels, extents, strict=True)):
        move_axes(axes, lefts[n % columns], tops[n // columns], extent.width, extent.height)
    move_axes(bar, x, tops[0], BAR_WIDTH, bar_height)


def measure_extent(figure, axes):
    """Return the `Extent` of axes at the current size of the figure."""
    renderer, dpi = figure.canvas.get_renderer(), figure.dpi
    cells, with_labels = axes.get_window_extent(renderer), axes.get_tightbbox(renderer)
    return Extent(
        width=cells.width / dpi,
        height=cells.height / dpi,
        left=(cells.x0 - with_labels.x0) / dpi,
        right=(with_labels.x1 - cells.x1) / dpi,
        top=(with_labels.y1 - cells.y1) / dpi,
        bottom=(cells.y0 - with_labels.y0) / dpi,
    )


def move_axes(axes, left, top, width, height):
    """Move and resize the axes, in inches from the figure's upper left corner."""
    figure_width, figure_height = axes.figure.get_size_inches()
    axes.set_position(
        (
            left / figure_width,
            1 - (top + height) / figure_height,
            width / figure_width,
            height / figure_height,
        )
    )
