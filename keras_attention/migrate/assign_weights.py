"""Assign arrays to the weights of a layer or of a Transformer block."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_attention.types import Layer


def assign_weights(layer: Layer, arrays: Sequence[Any]) -> None:
    """Assign `arrays` to the weights of `layer`, in order.

    An array may have more axes than its weight, in the same memory order: other libraries give
    heads an axis of their own.
    """
    for weight, array in zip(layer.weights, arrays, strict=True):
        weight.assign(np.reshape(array, weight.shape))


def assign_sublayer_weights(block: Layer, arrays: Mapping[str, Sequence[Any]]) -> None:
    """Assign arrays to the sublayers of a Transformer block; the keys are their attributes."""
    for name, sublayer_arrays in arrays.items():
        assign_weights(getattr(block, name), sublayer_arrays)
