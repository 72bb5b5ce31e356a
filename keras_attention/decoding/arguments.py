"""Convert the arguments of a decoding loop; errors name the invalid argument."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_attention.arguments import (
    MAX_INT32,
    is_integer,
    is_real,
    nonnegative_number,
    positive_integer,
)
from keras_attention.integers import MIN_INT32, to_int32
from keras_attention.mask.bool_mask import to_bool_mask
from keras_attention.types import Nest, Shape, Tensor

# The product of a larger penalty and a log-probability could overflow float32.
MAX_PENALTY = 1e30
# The product of a higher temperature and a random number could overflow float32.
MAX_TEMPERATURE = 1e30


def to_token(name: str, value: Any) -> int:
    """Return the token id `value` as an int."""
    if not is_integer(value):
        raise ValueError(f"Expected `{name}` to be an integer. Received: {name}={value!r}")
    if not MIN_INT32 <= value <= MAX_INT32:
        raise ValueError(
            f"Expected `{name}` to be from {MIN_INT32} to {MAX_INT32}. Received: {name}={value!r}"
        )
    return int(value)


def to_length(name: str, value: Any) -> int | Tensor:
    """Return `value` as an int of at least 1, or as an int32 scalar tensor if it is a tensor."""
    dtype = keras.backend.standardize_dtype(value.dtype) if ops.is_tensor(value) else ""
    if "int" in dtype and tuple(value.shape) == ():
        return to_int32(value)
    return positive_integer(name, value)


def to_tensor(name: str, value: Any) -> Tensor:
    """Return `value` as a tensor of numbers or bools."""
    try:
        tensor = ops.convert_to_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"Expected {name} to be a tensor. Received: {value!r}") from error
    if keras.backend.standardize_dtype(tensor.dtype) == "string":
        raise ValueError(f"Expected {name} to hold numbers. Received: {value!r}")
    return tensor


def are_compatible(shape: Shape, other: Shape) -> bool:
    """Return True if two static shapes, in which None is any size, can be equal at run time."""
    shape, other = tuple(shape), tuple(other)
    return len(shape) == len(other) and all(
        a == b or None in (a, b) for a, b in zip(shape, other, strict=True)
    )


def to_start_tokens(value: Any, leaves: Sequence[Tensor]) -> Tensor:
    """Return one start token per row, int32 `(batch,)`, from an int or an integer tensor."""
    value = to_token("start_token", value) if is_integer(value) else value
    tokens = to_tensor("`start_token`", value)
    has_integers = "int" in keras.backend.standardize_dtype(tokens.dtype)
    rows = leaves[0].shape[0]
    if not has_integers or not (tokens.shape == () or are_compatible(tokens.shape, (rows,))):
        raise ValueError(
            f"Expected `start_token` to be an integer or an integer tensor (batch,) = ({rows},). "
            f"Received: start_token={value!r}"
        )
    return ops.broadcast_to(to_int32(tokens), ops.shape(leaves[0])[:1])


def to_penalty(name: str, value: Any) -> float:
    """Return `value` as a float of magnitude at most `MAX_PENALTY`."""
    if not is_real(value) or not abs(value) <= MAX_PENALTY:
        raise ValueError(f"Expected `{name}` to be a finite number. Received: {name}={value!r}")
    return float(value)


def to_temperature(value: Any, leaves: Sequence[Tensor]) -> Tensor:
    """Return the temperature as float32, `()` or `(batch, 1)`, from 0 to `MAX_TEMPERATURE`."""
    if is_real(value):
        value = min(nonnegative_number("temperature", value), MAX_TEMPERATURE)
    temperature = _to_row_numbers("temperature", value, "a finite number of at least 0", leaves)
    # NaN is not above 0 either.
    return ops.where(temperature > 0, ops.minimum(temperature, MAX_TEMPERATURE), 0.0)


def to_share(name: str, value: Any, leaves: Sequence[Tensor]) -> Tensor | None:
    """Return a share of probability as float32, `()` or `(batch, 1)`; None if that is 1 or None."""
    expected = "a number above 0 and at most 1"
    if is_real(value) and not 0 < value <= 1:
        raise ValueError(f"Expected `{name}` to be {expected}. Received: {name}={value!r}")
    if value is None or is_real(value) and value == 1:
        return None
    return _to_row_numbers(name, value, expected, leaves)


def _to_row_numbers(name, value, expected, leaves):
    """Return a number, or one per row, as float32, `()` or `(batch, 1)`."""
    rows = leaves[0].shape[0]
    if is_real(value) or hasattr(value, "shape") or isinstance(value, list | tuple):
        numbers = to_tensor(f"`{name}`", value)
        is_row = are_compatible(numbers.shape, (rows,))
        is_number = keras.backend.standardize_dtype(numbers.dtype) != "bool"
        if is_number and (numbers.shape == () or is_row):
            numbers = ops.cast(numbers, "float32")
            return numbers if numbers.shape == () else ops.expand_dims(numbers, 1)
    raise ValueError(
        f"Expected `{name}` to be {expected}, or a tensor (batch,) = ({rows},) of such numbers. "
        f"Received: {name}={value!r}"
    )


def to_source_mask(memory_mask: Any, leaves: Sequence[Tensor]) -> Tensor | None:
    """Return `memory_mask` as a bool tensor `(batch, S)`, or None."""
    if memory_mask is None:
        return None
    mask = to_tensor("`memory_mask`", memory_mask)
    rows = leaves[0].shape[0]
    if not are_compatible(mask.shape, (rows, None)):
        raise ValueError(
            f"Expected `memory_mask` to have shape (batch, source length) = ({rows}, any). "
            f"Received: memory_mask of shape {tuple(mask.shape)}"
        )
    return to_bool_mask("memory_mask", mask)


def flatten_state(state: Nest) -> list[Tensor]:
    """Return the tensors of the nest `state`; raise a ValueError if their batch sizes differ."""
    leaves = keras.tree.flatten(state)
    if not leaves:
        raise ValueError(f"Expected `state` to hold at least one tensor. Received: state={state!r}")
    if any(leaf is None for leaf in leaves):
        raise ValueError(f"Expected `state` to hold tensors only. Received: state={state!r}")
    leaves = [to_tensor("every leaf of `state`", leaf) for leaf in leaves]
    shapes = [tuple(leaf.shape) for leaf in leaves]
    if () in shapes or len({shape[0] for shape in shapes} - {None}) > 1:
        raise ValueError(
            "Expected every tensor of `state` to have the same leading batch dimension. "
            f"Received: state of shapes {shapes}"
        )
    return leaves
