"""Step 3, normalize: scores and mask -> weights; a row sums to 1, or to 0 if it is fully masked.

Only `linear` weights, which are the scores themselves, may have another sum.
"""

from typing import Any

import keras

from keras_attention.normalize.chunkwise import chunkwise
from keras_attention.normalize.gaussian import gaussian
from keras_attention.normalize.hardmax import hardmax
from keras_attention.normalize.linear import linear
from keras_attention.normalize.masked import masked, softmax
from keras_attention.normalize.monotonic import monotonic, monotonic_hard
from keras_attention.normalize.segment_softmax import segment_softmax
from keras_attention.normalize.smooth import smooth
from keras_attention.normalize.sparsemax import sparsemax
from keras_attention.types import Config, Normalizer

__all__ = [
    "chunkwise",
    "gaussian",
    "get",
    "hardmax",
    "linear",
    "masked",
    "monotonic",
    "monotonic_hard",
    "segment_softmax",
    "serialize",
    "smooth",
    "softmax",
    "sparsemax",
]

NAMED = {
    "hardmax": hardmax,
    "linear": linear,
    "smooth": smooth,
    "softmax": softmax,
    "sparsemax": sparsemax,
}


def get(normalize: str | Normalizer | Config) -> Normalizer:
    """Return the normalizer for a name, a function or a config.

    Args:
        normalize: "hardmax", "linear", "smooth", "softmax" or "sparsemax"; a function `(scores,
            mask) -> weights`, such as `masked` returns; or the config of such a function.

    Returns:
        A function `(scores, mask) -> weights`.

    Raises:
        ValueError: If `normalize` is none of these.

    Example:
    >>> keras_attention.normalize.get("softmax") is keras_attention.normalize.softmax
    True
    """
    normalizer: Any = normalize
    if isinstance(normalizer, dict):
        normalizer = keras.saving.deserialize_keras_object(normalizer)
    if isinstance(normalizer, str) and normalizer in NAMED:
        return NAMED[normalizer]
    if callable(normalizer) and not isinstance(normalizer, type):
        return normalizer
    raise ValueError(
        f"Expected `normalize` to be one of {sorted(NAMED)} or a function (scores, mask) -> "
        f"weights. Received: normalize={normalizer!r}"
    )


def serialize(normalize: Normalizer) -> str | Config:
    """Return the name of a normalizer of this package, or the config of a user's own.

    `get` restores the normalizer from it.
    """
    for name, function in NAMED.items():
        if normalize is function:
            return name
    return keras.saving.serialize_keras_object(normalize)
