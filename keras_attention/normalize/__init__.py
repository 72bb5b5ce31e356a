"""Step 3, normalize: scores and mask -> weights; a row sums to 1, or to 0 if it sees nothing."""

import keras

from keras_attention.normalize.gaussian import gaussian
from keras_attention.normalize.hardmax import hardmax
from keras_attention.normalize.masked import masked
from keras_attention.normalize.softmax import softmax
from keras_attention.normalize.sparsemax import sparsemax

__all__ = ["gaussian", "get", "hardmax", "masked", "serialize", "softmax", "sparsemax"]

NAMED = {"hardmax": hardmax, "softmax": softmax, "sparsemax": sparsemax}


def get(normalize):
    """The normalizer that `normalize` stands for.

    Args:
        normalize: One of the names "hardmax", "softmax", "sparsemax", a function
            `(scores, mask) -> weights` (`masked` makes one), or the config of one.

    Returns:
        A function `(scores, mask) -> weights`.

    Raises:
        ValueError: If it is none of these.

    Example:
    >>> keras_attention.normalize.get("softmax") is keras_attention.normalize.softmax
    True
    """
    if isinstance(normalize, dict):
        normalize = keras.saving.deserialize_keras_object(normalize)
    if isinstance(normalize, str) and normalize in NAMED:
        return NAMED[normalize]
    if callable(normalize) and not isinstance(normalize, type):
        return normalize
    raise ValueError(
        f"Expected `normalize` to be one of {sorted(NAMED)} or a function (scores, mask) -> "
        f"weights. Received: normalize={normalize!r}"
    )


def serialize(normalize):
    """What `get` makes the same normalizer from: its name, or the config of a user's own."""
    for name, function in NAMED.items():
        if normalize is function:
            return name
    return keras.saving.serialize_keras_object(normalize)
