"""Query and key vectors of a stack of layers, and the weights that they make up."""

from typing import NamedTuple

import numpy as np


class Neurons(NamedTuple):
    """Query and key vectors of a stack of layers.

    Attributes:
        names: Names of the layers.
        queries, keys: (layers, heads, T, width) float32, without padding.
        query_tokens, key_tokens: Their tokens.
        mask: (Tq, Tk), bool, True = visible.
    """

    names: list[str]
    queries: np.ndarray
    keys: np.ndarray
    query_tokens: list[str]
    key_tokens: list[str]
    mask: np.ndarray


def weigh_keys(neurons, layer, head, token):
    """Return products (Tk, width), scores (Tk,) and weights (Tk,) of one query."""
    products = neurons.queries[layer, head, token] * neurons.keys[layer, head]
    scores = products.sum(axis=-1) / np.sqrt(products.shape[-1])
    visible = neurons.mask[token]
    if not visible.any():
        return products, scores, np.zeros_like(scores)
    powers = np.where(visible, np.exp(scores - scores[visible].max()), 0)
    return products, scores, powers / powers.sum()
