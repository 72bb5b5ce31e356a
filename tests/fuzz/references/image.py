"""SAGAN's self-attention of a batch of images (Zhang et al. 2019, equations 1 to 3)."""

import numpy as np

from tests import reference, reference_image


def self_attention_2d(images, weights, pool_keys):
    """Return images `(batch, H, W, C)` and weights `(batch, H W, keys)`.

    Args:
        images: `(batch, H, W, C)`.
        weights: [gamma, query, key, value and, unless the values have all channels, output kernel].
        pool_keys: Whether keys and values are pooled.
    """
    weights = list(weights) + [None] * (5 - len(weights))
    return reference.for_each_sequence(
        lambda image: reference_image.self_attention_2d(image, *weights, pool_keys), images
    )


def divide_by_spectral_norm(kernel, u):
    """Miyato et al. (2018), algorithm 1: one step of power iteration, W / (v W u).

    Args:
        kernel: `(C, width)`; zeros stay as they are.
        u: `(1, width)`, the state of the iteration.
    """
    kernel, u = np.asarray(kernel, "float64"), np.asarray(u, "float64")[0]
    if not kernel.any():
        return kernel
    v = kernel @ u
    v = v / np.sqrt(np.sum(v**2))
    u = v @ kernel
    u = u / np.sqrt(np.sum(u**2))
    return kernel / (v @ kernel @ u)
