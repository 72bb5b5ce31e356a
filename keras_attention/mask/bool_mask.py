"""Conversion of a mask to bool, which refuses values that are not those of a mask."""

import keras
import numpy as np
from keras import ops


def to_mask_tensor(name, mask):
    """Return a mask as a tensor of bools or numbers.

    Args:
        name: Name of the argument, for the error.
        mask: A tensor, an array or nested lists.

    Raises:
        ValueError: If it is of another dtype, or cannot be converted.
    """
    if not isinstance(mask, keras.KerasTensor):
        try:
            mask = ops.convert_to_tensor(mask)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"Expected `{name}` to be a bool tensor. Received: {name}={mask!r}"
            ) from error
    dtype = keras.backend.standardize_dtype(mask.dtype)
    has_numbers = keras.backend.is_float_dtype(dtype) or keras.backend.is_int_dtype(dtype)
    if dtype != "bool" and not has_numbers:
        raise ValueError(
            f"Expected `{name}` of dtype bool, or of 0 and 1. Received: {name} of dtype {dtype}"
        )
    return mask


def to_bool_mask(name, mask):
    """Return a mask as a bool tensor.

    Numbers must be 0 and 1: cast to bool, the -1e9 of a mask that is added to scores would become
    True, its opposite. Values are checked where they are known when the call is made, not inside a
    compiled function.

    Args:
        name: Name of the argument, for the error.
        mask: Bool, or integers or floats of 0 and 1: a tensor, an array or nested lists.

    Raises:
        ValueError: If it is not a mask.
    """
    mask = to_mask_tensor(name, mask)
    if keras.backend.standardize_dtype(mask.dtype) == "bool":
        return mask
    _check_values(name, mask)
    return ops.cast(mask, "bool")


def _check_values(name, mask):
    """Raise a ValueError if a numeric mask, whose values are known, holds others than 0 and 1."""
    if isinstance(mask, keras.KerasTensor):
        return
    try:
        values = np.asarray(ops.convert_to_numpy(mask), "float64")
    except (RuntimeError, TypeError):  # a tensor of a graph or of a trace has no values
        return
    invalid = values[(values != 0) & (values != 1)]
    if invalid.size:
        advice = (
            f"Of a mask that is added to scores, with 0 where a key is visible, pass `{name} == "
            "0`; the multi-head layers also take it as `attention_bias`"
            if invalid.min() < 0
            else f"Of token ids with 0 for padding, pass `{name} != 0`"
        )
        raise ValueError(
            f"Expected `{name}` to be bool, or to hold only 0 (masked) and 1 (visible). "
            f"Received: {name} with the value {invalid[0]:g}. {advice}"
        )
