"""A page with a picture of the same content, shown by notebooks and written to files."""

import html
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from keras_attention.visualize.save import (
    PAGE_SUFFIXES,
    save_figure,
    to_picture_path,
    write_atomically,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class View:
    """An interactive page, and a static picture of the same. Notebooks show the page.

    Args:
        page: A self-contained HTML page, which loads nothing from the network.
        draw: Function without arguments that returns the picture, a `matplotlib.figure.Figure`.

    Example:
    >>> from keras_attention.visualize import head_view
    >>> view = head_view(np.eye(2)[None], ["Hello", "world"])
    >>> view.page[:15]
    '<!DOCTYPE html>'
    """

    def __init__(self, page: str, draw: "Callable[[], Figure]"):
        self.page = page
        self._draw = draw

    def draw(self) -> "Figure":
        """Return the picture, which is not registered with pyplot."""
        return self._draw()

    def save(self, path: str | os.PathLike) -> None:
        """Write the page or the picture; an existing file is replaced atomically.

        Args:
            path: A path that ends in `.html` for the page, or in `.png`, `.svg` or `.pdf` for the
                picture, which needs matplotlib. Missing directories are created.

        Raises:
            ValueError: If the path has an unsupported suffix.
            ImportError: If matplotlib is needed and not installed.
        """
        path = to_picture_path(path, PAGE_SUFFIXES)
        if path.suffix.lower() == ".html":
            write_atomically(
                path, lambda temporary: temporary.write_text(self.page, encoding="utf-8")
            )
        else:
            save_figure(self.draw(), path)

    def _repr_html_(self):
        # A frame keeps the styles and names of the page apart from those of the notebook.
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" style="width: 100%; height: 40em; '
            'border: 0; resize: vertical; overflow: auto"></iframe>'
        )
