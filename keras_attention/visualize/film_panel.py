"""One panel of a memory film: a sequence of vectors or address weights over time."""

from typing import NamedTuple

import numpy as np

from keras_attention.visualize.arrays import check_unit_range, to_array

ROW_HEIGHT = 0.12  # inches, of one row of a panel's matrix
MIN_HEIGHT, MAX_HEIGHT = 0.4, 3.2  # inches, of a panel
FONT_SIZE = 9  # points


class FilmPanel(NamedTuple):
    """A matrix (rows, T) from the argument `name`, and its title; addresses are in [0, 1]."""

    name: str
    title: str
    matrix: np.ndarray
    is_address: bool

    @property
    def height(self):
        """The panel's height in inches."""
        return min(MAX_HEIGHT, max(MIN_HEIGHT, ROW_HEIGHT * len(self.matrix)))


def split_into_panels(name, array, is_address=False, has_heads=True):
    """Return a `FilmPanel` for each head of `array`, (T, any) or (T, heads, any); [] for None."""
    if array is None:
        return []
    array = to_array(name, array)
    if array.ndim not in ((2, 3) if has_heads else (2,)) or 0 in array.shape:
        or_heads = " or (T, heads, any)" if has_heads else ""
        raise ValueError(
            f"Expected `{name}` of shape (T, any){or_heads}, of one sequence. "
            f"Received: {name}.shape={array.shape}"
        )
    if is_address:
        check_unit_range(name, array)
    heads = [array] if array.ndim == 2 else list(np.swapaxes(array, 0, 1))
    title = name.replace("_", " ")
    titles = [title] if len(heads) == 1 else [f"{title}, head {n}" for n in range(len(heads))]
    return [
        FilmPanel(name, head_title, head.T, is_address)
        for head_title, head in zip(titles, heads, strict=True)
    ]


def draw_film_panel(figure, axes, panel):
    """Draw the panel's matrix on the axes, with a color bar beside them."""
    limit = float(np.abs(panel.matrix).max()) or 1.0
    colors = (
        {"cmap": "gray", "vmin": 0, "vmax": 1}
        if panel.is_address
        else {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    )
    image = axes.imshow(panel.matrix, aspect="auto", interpolation="nearest", **colors)
    axes.set_title(panel.title, fontsize=FONT_SIZE)
    axes.set_ylabel("slot" if panel.is_address else None, fontsize=FONT_SIZE)
    axes.grid(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True, nbins=6, min_n_ticks=1)
    axes.tick_params(labelsize=FONT_SIZE - 2, length=2)
    bar = figure.colorbar(image, ax=axes, ticks=[image.norm.vmin, image.norm.vmax], pad=0.01)
    bar.ax.tick_params(labelsize=FONT_SIZE - 2, length=2)
    bar.ax.set_yticklabels([f"{end:.3g}" for end in (image.norm.vmin, image.norm.vmax)])
