"""Assign arrays to the weights of a layer or of a Transformer block."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_attention.types import Layer


def assign_weights(layer: Layer, arrays: Sequence[Any]) -> None:
    """Assign arrays to the weights of a layer.

    Args:
        layer: A built layer.
        arrays: An array for each weight, in order. It may have more axes than its weight, because
            other libraries give heads an axis of their own: neighboring axes are merged.

    Raises:
        ValueError: If an array does not have the shape of its weight.
    """
    for weight, array in zip(layer.weights, arrays, strict=True):
        array = np.asarray(array)
        if not _can_merge_axes(array.shape, tuple(weight.shape)):
            raise ValueError(
                f"Expected an array of shape {tuple(weight.shape)} for the weight {weight.path}. "
                "Create the layer, and its cell if it has one, with the same options as that of "
                f"the other library. Received: shape {array.shape}"
            )
        weight.assign(np.reshape(array, weight.shape))


def _can_merge_axes(shape, merged):
    """Return whether merging neighboring axes of `shape` gives the shape `merged`."""
    sizes = list(shape)
    for target in merged:
        size = sizes.pop(0) if sizes else None
        while size is not None and size < target and sizes:
            size *= sizes.pop(0)
        if size != target:
            return False
    return all(size == 1 for size in sizes)


def assign_sublayer_weights(block: Layer, arrays: Mapping[str, Sequence[Any]]) -> None:
    """Assign arrays to the sublayers of a Transformer block; the keys are their attributes."""
    for name, sublayer_arrays in arrays.items():
        assign_weights(getattr(block, name), sublayer_arrays)
