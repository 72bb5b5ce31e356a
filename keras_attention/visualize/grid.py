"""Places panels of different sizes in a grid, with a colour bar beside them."""

from typing import NamedTuple

GAP, BAR_WIDTH, BAR_HEIGHT = 0.3, 0.13, 2.2  # inches


class Extent(NamedTuple):
    """Inches: the cells of a panel, and what its labels take on each side."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float


def arrange(figure, panels, columns):
    """Sizes the figure and places the panels row by row, aligned at their upper left cells."""
    extents = [measure(figure, axes) for axes in panels]
    rows = [extents[start : start + columns] for start in range(0, len(extents), columns)]
    across = [[row[n] for row in rows if n < len(row)] for n in range(columns)]

    x, starts = GAP, []
    for column in across:
        starts.append(x + max(extent.left for extent in column))
        x = starts[-1] + max(extent.width + extent.right for extent in column) + GAP
    y, tops = GAP, []
    for row in rows:
        tops.append(y + max(extent.top for extent in row))
        y = tops[-1] + max(extent.height + extent.bottom for extent in row) + GAP

    bar = figure.add_axes((0, 0, 1, 1), label="colour bar")
    figure.colorbar(panels[0].images[0], cax=bar, ticks=[0, 0.5, 1])
    bar_height = min(BAR_HEIGHT, max(extent.height for extent in rows[0]))
    width = x + BAR_WIDTH + measure(figure, bar).right + GAP
    figure.set_size_inches(width, y)
    for n, (axes, extent) in enumerate(zip(panels, extents, strict=True)):
        place(axes, starts[n % columns], tops[n // columns], extent.width, extent.height)
    place(bar, x, tops[0], BAR_WIDTH, bar_height)


def measure(figure, axes):
    """The `Extent` of axes as they would be drawn now."""
    renderer, dpi = figure.canvas.get_renderer(), figure.dpi
    cells, whole = axes.get_window_extent(renderer), axes.get_tightbbox(renderer)
    return Extent(
        width=cells.width / dpi,
        height=cells.height / dpi,
        left=(cells.x0 - whole.x0) / dpi,
        right=(whole.x1 - cells.x1) / dpi,
        top=(whole.y1 - cells.y1) / dpi,
        bottom=(cells.y0 - whole.y0) / dpi,
    )


def place(axes, left, top, width, height):
    """Moves the axes to a place in inches from the figure's upper left corner."""
    across, down = axes.figure.get_size_inches()
    axes.set_position((left / across, 1 - (top + height) / down, width / across, height / down))
