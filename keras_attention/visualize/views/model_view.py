"""Model view: the weights of all layers and heads at a glance (Vig 2019)."""

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_attention.types import Tensor
from keras_attention.visualize.views.layers import parse_layers
from keras_attention.visualize.views.model_figure import draw_model
from keras_attention.visualize.views.page import build_page, encode_weights, format_tokens
from keras_attention.visualize.views.view import View


def model_view(
    weights: Tensor | Sequence[Tensor] | Mapping[str, Any],
    tokens: Sequence[str],
    other_tokens: Sequence[str] | None = None,
    path: str | os.PathLike | None = None,
) -> View:
    """Draw a small picture of each head: a row for each layer, a column for each head.

    In a small picture, rows are queries, columns are keys, and darker cells have larger weights.
    The darkness is the square root of the weight, so that small weights are visible. A click on a
    picture, or the Enter key, opens the head's tokens and lines as in `head_view`.

    Args:
        weights: As in `head_view`.
        tokens: As in `head_view`.
        other_tokens: As in `head_view`.
        path: As in `head_view`.

    Returns:
        A `View`, as `head_view` returns.

    Raises:
        ValueError: As in `head_view`.

    Example:
        >>> from keras_attention.visualize import model_view
        >>> weights = [np.full((4, 3, 3), 1 / 3)] * 2  # 2 layers of 4 heads
        >>> model_view(weights, ["the", "old", "man"]).page.startswith("<!DOCTYPE html>")
        True

    Differs from the paper: the small pictures are matrices instead of lines, which stay legible
    for long sentences.

    Reference: Vig, "A Multiscale Visualization of Attention in the Transformer Model", ACL 2019,
    https://arxiv.org/abs/1906.05714, section 2.2.
    """
    layers = parse_layers(weights, tokens, other_tokens)
    data = {
        "layers": layers.names,
        "heads": layers.weights.shape[1],
        "queries": format_tokens(layers.queries),
        "keys": format_tokens(layers.keys),
        "weights": encode_weights(layers.weights),
    }
    view = View(
        build_page("Attention: model view", ["page.js", "lines.js", "model_view.js"], data),
        functools.partial(draw_model, layers),
    )
    if path is not None:
        view.save(path)
    return view
