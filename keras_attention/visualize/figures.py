"""Create figures that pyplot does not know of, so that nobody has to close them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def make_figure(**options: Any) -> "Figure":
    """Return an empty `matplotlib.figure.Figure` of 150 dots per inch, which can measure texts.

    `options` are further arguments of the figure.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Expected `matplotlib` to be installed, because it draws pictures. Install it with "
            "`pip install 'keras-attention-layers[visualize]'` or `pip install matplotlib`."
        ) from error
    figure = Figure(dpi=150, **options)
    FigureCanvasAgg(figure)
    return figure


def measure_width(figure: "Figure", text: Any) -> float:
    """Return the width of a text of the figure, in inches."""
    canvas: Any = figure.canvas  # of Agg, which has a renderer
    return text.get_window_extent(canvas.get_renderer()).width / figure.dpi
