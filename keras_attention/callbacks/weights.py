"""The attention weights of chosen examples."""

from typing import Any

import numpy as np

from keras_attention.explain.attention_weights import attention_weights

ROUNDING_TOLERANCE = 1e-3


def collect_weights(model: Any, inputs: Any, layers: Any) -> dict[str, np.ndarray]:
    """Return the attention weights of a model by the layers' paths.

    A layer that is called several times has the paths "layer/call_0", "layer/call_1", ... Arrays
    that are not in [0, 1], such as the locations of `RecurrentGlimpses`, are left out.

    Args:
        model: A Keras model.
        inputs: Its inputs for the examples.
        layers: As in `keras_attention.attention_weights`.
    """
    weights = {}
    for path, arrays in attention_weights(model, inputs, layers).items():
        if isinstance(arrays, list):
            weights |= {f"{path}/call_{n}": array for n, array in enumerate(arrays)}
        else:
            weights[path] = arrays
    return {path: array for path, array in weights.items() if _is_in_unit_range(array)}


def _is_in_unit_range(array):
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    return -ROUNDING_TOLERANCE <= low and high <= 1 + ROUNDING_TOLERANCE
