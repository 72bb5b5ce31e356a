"""Refuses wrong arguments of a decoding loop by name."""

import numbers

import keras
from keras import ops

from keras_attention.arguments import positive_integer

# Beyond this a product of a penalty and a log-probability overflows float32.
LARGEST = 1e30


def token(name, value):
    """Returns the token id `value` as an int."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise ValueError(f"Expected `{name}` to be an integer. Received: {name}={value!r}")
    return int(value)


def length(name, value):
    """Returns `value`: an int of at least 1, or a scalar of integers known at run time only."""
    dtype = keras.backend.standardize_dtype(value.dtype) if ops.is_tensor(value) else ""
    if "int" in dtype and tuple(value.shape) == ():
        return ops.cast(value, "int32")
    return positive_integer(name, value)


def tensor(name, value):
    """Returns `value` as a tensor of numbers or bools."""
    try:
        converted = ops.convert_to_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"Expected {name} to be a tensor. Received: {value!r}") from error
    if keras.backend.standardize_dtype(converted.dtype) == "string":
        raise ValueError(f"Expected {name} to hold numbers. Received: {value!r}")
    return converted


def compatible(shape, other):
    """Whether two static shapes, which may hold None, can be the same at run time."""
    shape, other = tuple(shape), tuple(other)
    return len(shape) == len(other) and all(
        a == b or None in (a, b) for a, b in zip(shape, other, strict=True)
    )


def start_tokens(value, leaves):
    """Returns one start token per row, int32 `(batch,)`, from an int or an int tensor."""
    tokens = tensor("`start_token`", value)
    is_integer = "int" in keras.backend.standardize_dtype(tokens.dtype)
    rows = leaves[0].shape[0]
    if not is_integer or not (tokens.shape == () or compatible(tokens.shape, (rows,))):
        raise ValueError(
            f"Expected `start_token` to be an integer or an integer tensor (batch,) = ({rows},). "
            f"Received: start_token={value!r}"
        )
    return ops.broadcast_to(ops.cast(tokens, "int32"), ops.shape(leaves[0])[:1])


def penalty(name, value):
    """Returns `value` as a float if it is a number that float32 can compute with."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not abs(value) <= LARGEST:
        raise ValueError(f"Expected `{name}` to be a finite number. Received: {name}={value!r}")
    return float(value)


def source_mask(memory_mask, leaves):
    """Returns `memory_mask` as a bool tensor `(batch, S)`, or None."""
    if memory_mask is None:
        return None
    mask = tensor("`memory_mask`", memory_mask)
    rows = leaves[0].shape[0]
    if not compatible(mask.shape, (rows, None)):
        raise ValueError(
            f"Expected `memory_mask` to have shape (batch, source length) = ({rows}, any). "
            f"Received: memory_mask of shape {tuple(mask.shape)}"
        )
    return ops.cast(mask, "bool")


def state_leaves(state):
    """Returns the tensors of the nest `state`, each with a leading batch dimension."""
    leaves = keras.tree.flatten(state)
    if not leaves:
        raise ValueError(f"Expected `state` to hold at least one tensor. Received: state={state!r}")
    if any(leaf is None for leaf in leaves):
        raise ValueError(f"Expected `state` to hold tensors only. Received: state={state!r}")
    leaves = [tensor("every leaf of `state`", leaf) for leaf in leaves]
    shapes = [tuple(leaf.shape) for leaf in leaves]
    if () in shapes or len({shape[0] for shape in shapes} - {None}) > 1:
        raise ValueError(
            "Expected every tensor of `state` to have the same leading batch dimension. "
            f"Received: state of shapes {shapes}"
        )
    return leaves
