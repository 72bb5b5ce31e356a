"""Check the values and shapes of masks that a caller passes, and convert them to bool."""

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


def prepare_pair_mask(name, mask, query, key):
    """Check a mask of query-key pairs and return it as bool, of rank 2 or more.

    Args:
        name: Name of the argument, for the error.
        mask: Bool, broadcastable to `(batch, ..., Tq, Tk)` (to `(batch, ..., Tk)` for a single
            query).
        query: `(batch, ..., Tq, Dq)`, or `(batch, ..., Dq)` for a single query.
        key: `(batch, ..., Tk, Dk)`.

    Raises:
        ValueError: If it is not a mask, or its shape does not fit query and key.
    """
    mask = to_bool_mask(name, mask)
    check_mask(name, mask, pair_shape(query, key), exact_rank=False)
    is_single = len(query.shape) < len(key.shape)
    return ops.expand_dims(mask, -2) if is_single or len(mask.shape) == 1 else mask


def pair_shape(query, key, heads=()):
    """Return the static shape `(batch, ..., *heads, Tq, Tk)`, without `Tq` for a single query."""
    axes = len(key.shape) - 2
    batch = [k if q == 1 else q for q, k in zip(query.shape[:axes], key.shape[:axes], strict=True)]
    return (*batch, *heads, *query.shape[axes:-1], key.shape[-2])


def check_mask(name, mask, expected, exact_rank=True):
    """Raise a ValueError if a mask does not have exactly the `expected` shape.

    Without `exact_rank` it must only be broadcastable to that shape: it may have fewer axes, and
    axes of size 1. A size of None is unknown and fits any.
    """
    if mask is None:
        return
    shape = tuple(mask.shape)
    has_valid_rank = len(shape) == len(expected) if exact_rank else 0 < len(shape) <= len(expected)
    sizes = zip(reversed(shape), reversed(tuple(expected)), strict=False)
    if not has_valid_rank or not all(
        None in (m, e) or m == e or (m == 1 and not exact_rank) for m, e in sizes
    ):
        relation = "of" if exact_rank else "broadcastable to"
        raise ValueError(
            f"Expected `{name}` {relation} shape {tuple(expected)}. "
            f"Received: {name} of shape {shape}"
        )


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
