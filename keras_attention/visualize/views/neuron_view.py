"""Neuron view: how query and key vectors make up the weights of one head (Vig 2019)."""

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_attention.types import Tensor
from keras_attention.visualize.arrays import to_array
from keras_attention.visualize.views.layers import (
    check_equal_shapes,
    check_index,
    list_layers,
    parse_token_pair,
    to_heads,
)
from keras_attention.visualize.views.neuron_figure import draw_neurons
from keras_attention.visualize.views.neurons import Neurons
from keras_attention.visualize.views.page import build_page, encode_bytes, format_tokens
from keras_attention.visualize.views.view import View

MAX_STEP = 32767  # of 16-bit integers


def neuron_view(
    query: Tensor | Sequence[Tensor] | Mapping[str, Any],
    key: Tensor | Sequence[Tensor] | Mapping[str, Any],
    tokens: Sequence[str],
    other_tokens: Sequence[str] | None = None,
    mask: Tensor | None = None,
    layer: int = 0,
    head: int = 0,
    token: int = 0,
    path: str | os.PathLike | None = None,
) -> View:
    """Draw the query vector of one token, the key vectors, and the weights that they make up.

    For each key there is a line with its vector k, the product q · k of each pair of neurons, their
    sum divided by sqrt(width), which is the score, and the softmax of the scores. Blue cells are
    positive, and orange cells are negative; the deepest color is the largest magnitude of the
    vectors, or of the products, of the head. The query token, the layer and the head are chosen on
    the page.

    Args:
        query: The query vectors of one layer, (heads, Tq, width) or, from a batch of one example,
            (1, heads, Tq, width), as `MultiHeadAttention.project` returns them. Or a list of such
            arrays, one for each layer, or a dict of them by the layers' names. Real numbers, of any
            backend.
        key: The key vectors, like `query`. They may have fewer heads, each of which serves several
            heads of queries.
        tokens: Tq strings, or fewer if the remaining queries are padding, which is not drawn.
        other_tokens: Tk strings, or fewer, of the keys; padded keys then get no weight. Default:
            `tokens`.
        mask: Bool, broadcastable to (Tq, Tk), True = visible. Default: all keys are visible.
        layer: Index of the layer that is shown at first, and in pictures.
        head: Index of the head that is shown at first, and in pictures.
        token: Index of the query that is shown at first, and in pictures.
        path: As in `head_view`.

    Returns:
        A `View`, as `head_view` returns. The page stores vectors in steps of 1/32767 of the largest
        magnitude of the layer and head, 4 bytes for each number after encoding.

    Raises:
        ValueError: If an argument is not as described, if vectors are not finite, or if the shapes
            of queries and keys do not fit together.

    Example:
        >>> from keras_attention.visualize import neuron_view
        >>> layer = keras_attention.MultiHeadAttention(num_heads=2, key_dim=4)
        >>> x = np.random.rand(1, 3, 8).astype("float32")
        >>> output = layer(x)
        >>> query, key, value = layer.project(x)
        >>> view = neuron_view(query, key, ["the", "old", "man"])
        >>> view.page.startswith("<!DOCTYPE html>")
        True

    Differs from the paper: values are not drawn, and there are rows of cells instead of bands.

    Reference: Vig, "A Multiscale Visualization of Attention in the Transformer Model", ACL 2019,
    https://arxiv.org/abs/1906.05714, section 2.3.
    """
    names, queries = _parse_vectors("query", query)
    _, keys = _parse_vectors("key", key)
    if not _have_matching_shapes(queries, keys):
        raise ValueError(
            "Expected `query` and `key` with the same number of layers and the same width, and a "
            "number of query heads that is a multiple of the number of key heads. Received shapes "
            f"(layers, heads, T, width): query {queries.shape}, key {keys.shape}"
        )
    mask = _parse_mask(mask, (queries.shape[2], keys.shape[2]))
    keys = np.repeat(keys, queries.shape[1] // keys.shape[1], axis=1)
    query_tokens, key_tokens = parse_token_pair(tokens, other_tokens, *mask.shape)
    neurons = Neurons(
        names,
        queries[:, :, : len(query_tokens)],
        keys[:, :, : len(key_tokens)],
        query_tokens,
        key_tokens,
        mask[: len(query_tokens), : len(key_tokens)],
    )
    layer = check_index("layer", layer, len(names))
    head = check_index("head", head, queries.shape[1])
    token = check_index("token", token, len(query_tokens))
    view = View(
        build_page(
            "Attention: neuron view",
            ["page.js", "neuron_view.js"],
            _list_data(neurons, layer, head, token),
        ),
        functools.partial(draw_neurons, neurons, layer, head, token),
    )
    if path is not None:
        view.save(path)
    return view


def _parse_vectors(name, vectors):
    """Return the layers' names, and the vectors (layers, heads, T, width)."""
    names, arrays = [], []
    for layer_name, array in list_layers(name, vectors):
        names.append(layer_name)
        arrays.append(to_heads(name, to_array(name, array)))
    check_equal_shapes(name, names, arrays)
    return names, np.stack(arrays)


def _have_matching_shapes(queries, keys):
    is_multiple = queries.shape[1] % keys.shape[1] == 0
    return is_multiple and (len(queries), queries.shape[3]) == (len(keys), keys.shape[3])


def _parse_mask(mask, shape):
    """Return the mask as a bool array of shape (Tq, Tk)."""
    mask = np.ones(1) if mask is None else to_array("mask", mask)
    try:
        return np.broadcast_to(mask != 0, shape)
    except ValueError:
        raise ValueError(
            f"Expected `mask` to be broadcastable to {shape}. Received: mask of shape {mask.shape}"
        ) from None


def _list_data(neurons, layer, head, token):
    """Return the data of the page."""
    queries, query_steps = _round(neurons.queries)
    keys, key_steps = _round(neurons.keys)
    return {
        "layers": neurons.names,
        "heads": queries.shape[1],
        "width": queries.shape[3],
        "queries": format_tokens(neurons.query_tokens),
        "keys": format_tokens(neurons.key_tokens),
        "queryVectors": encode_bytes(queries),
        "keyVectors": encode_bytes(keys),
        "querySteps": query_steps.tolist(),
        "keySteps": key_steps.tolist(),
        "mask": encode_bytes(neurons.mask.astype("uint8")),
        "layer": layer,
        "head": head,
        "token": token,
    }


def _round(vectors):
    """Return the vectors as 16-bit integers, and the size of a step for each layer and head."""
    steps = np.abs(vectors).max(axis=(2, 3)) / MAX_STEP
    steps = np.where(steps > 0, steps, 1)
    return np.round(vectors / steps[..., None, None]).astype("<i2"), steps
