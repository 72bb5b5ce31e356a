"""One panel of a film: what a sequence of vectors or addresses looks like over time."""

from typing import NamedTuple

import numpy as np
from keras import ops

from keras_attention.visualize.samples import ROUNDING

CELL, FLATTEST, HIGHEST = 0.12, 0.4, 3.2  # inches: a row, and the bounds of a panel's height
SIZE = 9  # points


class FilmPanel(NamedTuple):
    """A matrix (rows, T) of the argument `name`, and its title; addresses are drawn from 0 to 1."""

    name: str
    title: str
    matrix: np.ndarray
    is_address: bool

    @property
    def height(self):
        """Inches."""
        return min(HIGHEST, max(FLATTEST, CELL * len(self.matrix)))


def read_panels(name, array, is_address=False, has_heads=True):
    """A list of `FilmPanel`, one for each head of `array`, (T, any) or (T, heads, any)."""
    if array is None:
        return []
    array = to_array(name, array)
    if array.ndim not in ((2, 3) if has_heads else (2,)) or 0 in array.shape:
        or_heads = " or (T, heads, any)" if has_heads else ""
        raise ValueError(
            f"Expected `{name}` of shape (T, any){or_heads}, of one sequence. "
            f"Received: {name}.shape={array.shape}"
        )
    if is_address and (array.min() < -ROUNDING or array.max() > 1 + ROUNDING):
        raise ValueError(
            f"Expected `{name}` between 0 and 1. "
            f"Received: {name} from {array.min():.4g} to {array.max():.4g}"
        )
    heads = [array] if array.ndim == 2 else list(np.swapaxes(array, 0, 1))
    title = name.replace("_", " ")
    titles = [title] if len(heads) == 1 else [f"{title}, head {n}" for n in range(len(heads))]
    return [FilmPanel(name, t, head.T, is_address) for t, head in zip(titles, heads, strict=True)]


def to_array(name, array):
    """The finite real numbers in `array`, as float32."""
    try:
        numbers = np.asarray(ops.convert_to_numpy(array))
        if numbers.dtype.kind in "OSUcmM":  # numpy would read "0.5", and drop imaginary parts
            raise TypeError(f"no real numbers but {numbers.dtype}")
        numbers = numbers.astype("float32")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected `{name}` to be an array of real numbers. Received: {name}={array!r}"
        ) from error
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"Expected `{name}` to be finite. "
            f"Received: {np.count_nonzero(~np.isfinite(numbers))} values that are not"
        )
    return numbers


def draw_panel(figure, axes, panel):
    """Fills the axes, and puts a colour bar beside them."""
    largest = float(np.abs(panel.matrix).max()) or 1.0
    colours = (
        {"cmap": "gray", "vmin": 0, "vmax": 1}
        if panel.is_address
        else {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
    )
    image = axes.imshow(panel.matrix, aspect="auto", interpolation="nearest", **colours)
    axes.set_title(panel.title, fontsize=SIZE)
    axes.set_ylabel("slot" if panel.is_address else None, fontsize=SIZE)
    axes.grid(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True, nbins=6, min_n_ticks=1)
    axes.tick_params(labelsize=SIZE - 2, length=2)
    bar = figure.colorbar(image, ax=axes, ticks=[image.norm.vmin, image.norm.vmax], pad=0.01)
    bar.ax.tick_params(labelsize=SIZE - 2, length=2)
    bar.ax.set_yticklabels([f"{end:.3g}" for end in (image.norm.vmin, image.norm.vmax)])
