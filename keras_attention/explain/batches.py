"""The inputs of a model: as arrays, and in batches."""

import operator
from typing import Any

import numpy as np
from keras import tree

from keras_attention.types import Nest


def to_arrays(inputs: Nest) -> Nest:
    """Return a model's inputs with every list of texts or numbers as an array.

    Args:
        inputs: Nest of arrays, tensors, and lists of texts or numbers.

    Raises:
        ValueError: If there is anything but arrays, tensors and such lists.
    """
    if isinstance(inputs, dict):
        return {name: to_arrays(value) for name, value in inputs.items()}
    if isinstance(inputs, list | tuple):
        leaves = tree.flatten(inputs)
        if leaves and all(isinstance(leaf, str | bytes) for leaf in leaves):
            return np.array(inputs, object)
        if leaves and all(isinstance(leaf, int | float) for leaf in leaves):
            return np.array(inputs)
        return type(inputs)(map(to_arrays, inputs))
    if not hasattr(inputs, "shape"):
        raise ValueError(
            "Expected `inputs` to be an array or tensor, or a dict, list or tuple of these. "
            f"Received: inputs={inputs!r}"
        )
    return inputs


def split_batches(inputs: Nest, batch_size: int | None) -> list[Any]:
    """Return slices of at most `batch_size` samples; None = the inputs as they are."""
    if batch_size is None:
        return [inputs]
    sizes = [tuple(array.shape[:1]) for array in tree.flatten(inputs)]
    if len(set(sizes)) != 1 or not sizes[0]:
        raise ValueError(
            "Expected `inputs` with the samples along the first axis of every array, because "
            "`batch_size` is given. "
            f"Received: first axes {[size[0] if size else None for size in sizes]}"
        )
    batches = [slice(start, start + batch_size) for start in range(0, sizes[0][0], batch_size)]
    return [tree.map_structure(operator.itemgetter(batch), inputs) for batch in batches]
