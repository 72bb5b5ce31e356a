"""Head view: lines from queries to keys, in a color for each head (Vig 2019)."""

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_attention import arguments
from keras_attention.types import Tensor
from keras_attention.visualize.arrays import to_list
from keras_attention.visualize.views.head_figure import draw_heads
from keras_attention.visualize.views.layers import check_index, parse_layers
from keras_attention.visualize.views.page import build_page, encode_weights, format_tokens
from keras_attention.visualize.views.view import View


def head_view(
    weights: Tensor | Sequence[Tensor] | Mapping[str, Any],
    tokens: Sequence[str],
    other_tokens: Sequence[str] | None = None,
    layer: int | None = None,
    heads: Sequence[int] | None = None,
    threshold: float = 0.01,
    path: str | os.PathLike | None = None,
) -> View:
    """Draw a line from each query to each key, in a color for each head.

    The queries' tokens are on the left and the keys' tokens are on the right. The opacity of a line
    is the weight. Hovering over a token, or moving to it with the arrow keys, leaves only its
    lines and shades the tokens on the other side by their mean weight. The layer, the heads and the
    threshold are chosen on the page. Sentences of more than 64 tokens scroll.

    Args:
        weights: The weights of one layer: (heads, Tq, Tk) or, from a batch of one example,
            (1, heads, Tq, Tk); (Tq, Tk) is a single head. Or a list of such arrays, one for each
            layer, or a dict of them by the layers' names. Floats in [0, 1], of any backend.
        tokens: Tq strings, or fewer if the remaining queries are padding, which is not drawn.
        other_tokens: Tk strings, or fewer, of the keys. Default: `tokens`, as in self-attention.
        layer: Index of the layer that is shown at first, and in pictures. Default: the first.
        heads: Indices of the heads that are shown at first, and in pictures. Default: all.
        threshold: The smallest weight that gets a line, in [0, 1]; weights of 0 never do.
        path: The file to write: `.html`, or a picture `.png`, `.svg` or `.pdf`, which needs
            matplotlib. Missing directories are created, and an existing file is replaced
            atomically. Default: no file.

    Returns:
        A `View`, whatever the path is: notebooks show it, `view.page` is the HTML page with its
        scripts and data, weights in steps of 1/255, and `view.draw()` returns the picture as a
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: If weights have the wrong rank, are not finite or not in [0, 1], or if their
            shapes differ between layers; if there are more tokens than rows or columns, or another
            argument is not as described.

    Example:
        >>> from keras_attention.visualize import head_view
        >>> weights = np.full((4, 3, 3), 1 / 3)  # 4 heads
        >>> view = head_view(weights, ["the", "old", "man"])
        >>> len(view.page) < 20_000
        True

    Differs from the paper: lines of several heads are side by side instead of on top of each other,
    and heads also differ in dashes if there are more than seven.

    Reference: Vig, "A Multiscale Visualization of Attention in the Transformer Model", ACL 2019,
    https://arxiv.org/abs/1906.05714, section 2.1.
    """
    layers = parse_layers(weights, tokens, other_tokens)
    layer_count, head_count = layers.weights.shape[:2]
    layer = 0 if layer is None else check_index("layer", layer, layer_count)
    heads = list(range(head_count)) if heads is None else to_list("heads", heads)
    heads = [check_index("heads", head, head_count) for head in heads]
    if not arguments.is_real(threshold) or not 0 <= threshold <= 1:
        raise ValueError(
            f"Expected `threshold` to be a number in [0, 1]. Received: threshold={threshold!r}"
        )
    data = {
        "layers": layers.names,
        "heads": head_count,
        "queries": format_tokens(layers.queries),
        "keys": format_tokens(layers.keys),
        "weights": encode_weights(layers.weights),
        "layer": layer,
        "shownHeads": heads,
        "threshold": float(threshold),
    }
    view = View(
        build_page("Attention: head view", ["page.js", "lines.js", "head_view.js"], data),
        functools.partial(draw_heads, layers, layer, heads, threshold),
    )
    if path is not None:
        view.save(path)
    return view
