"""Convert masks to bool; values other than those of a mask raise an error."""

import keras
import numpy as np
from keras import ops


def to_mask_tensor(name, mask):
    """Return a mask as a tensor of bools or numbers.

    Args:
        name: Name of the argument, for the error.
        mask: A tensor, an array or nested lists.

    Raises:
        ValueError: If its dtype is neither bool nor numeric, or if it cannot be converted.
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

    Numbers must be 0 and 1. In a mask that is added to scores, for example, -1e9 means masked, but
    cast to bool it would be True, which means visible. Values are checked if they are known at the
    time of the call, which they are not inside a compiled function.

    Args:
        name: Name of the argument, for the error.
        mask: Bool, or integers or floats of 0 and 1: a tensor, an array or nested lists.

    Raises:
        ValueError: If its dtype or its values are not those of a mask.
    """
    mask = to_mask_tensor(name, mask)
    if keras.backend.standardize_dtype(mask.dtype) == "bool":
        return mask
    _check_values(name, mask)
    return ops.cast(mask, "bool")


def _check_values(name, mask):
    """Raise a ValueError if a numeric mask holds a known value other than 0 and 1."""
    if isinstance(mask, keras.KerasTensor):
        return
    try:
        values = np.asarray(ops.convert_to_numpy(mask), "float64")
    except (RuntimeError, TypeError):  # A tensor in a graph or a trace has no values.
        return
    invalid = values[(values != 0) & (values != 1)]
    if invalid.size:
        advice = (
            f"If it is a mask to add to scores, with 0 where a key is visible, pass `{name} == 0`, "
            "or pass it to a multi-head layer as `attention_bias`"
            if invalid.min() < 0
            else f"If it holds token ids, with 0 for padding, pass `{name} != 0`"
        )
        raise ValueError(
            f"Expected `{name}` to be bool, or to hold only 0 (masked) and 1 (visible). "
            f"Received: {name} with the value {invalid[0]:g}. {advice}"
        )
