"""Refuses wrong arguments of a decoding loop by name."""

import numbers

import keras
from keras import ops

# Beyond this a product of a penalty and a log-probability overflows float32.
LARGEST = 1e30


def token(name, value):
    """Returns the token id `value` as an int."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise ValueError(f"Expected `{name}` to be an integer. Received: {name}={value!r}")
    return int(value)


def start_tokens(value, batch):
    """Returns one start token per row, int32 `(batch,)`, from an int or an int tensor."""
    tokens = ops.convert_to_tensor(value)
    is_integer = "int" in keras.backend.standardize_dtype(tokens.dtype)
    if not is_integer or len(tokens.shape) > 1:
        raise ValueError(
            "Expected `start_token` to be an integer or an integer tensor (batch,). "
            f"Received: start_token={value!r}"
        )
    return ops.broadcast_to(ops.cast(tokens, "int32"), (batch,))


def penalty(name, value):
    """Returns `value` as a float if it is a number that float32 can compute with."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not abs(value) <= LARGEST:
        raise ValueError(f"Expected `{name}` to be a finite number. Received: {name}={value!r}")
    return float(value)


def source_mask(memory_mask):
    """Returns `memory_mask` as a tensor `(batch, S)`, or None."""
    if memory_mask is None:
        return None
    mask = ops.convert_to_tensor(memory_mask)
    if len(mask.shape) != 2:
        raise ValueError(
            "Expected `memory_mask` to have shape (batch, source length). "
            f"Received: memory_mask of shape {tuple(mask.shape)}"
        )
    return mask


def state_leaves(state):
    """Returns the tensors of the nest `state`, each with a leading batch dimension."""
    leaves = keras.tree.flatten(state)
    if not leaves:
        raise ValueError(f"Expected `state` to hold at least one tensor. Received: state={state!r}")
    if any(leaf is None for leaf in leaves):
        raise ValueError(f"Expected `state` to hold tensors only. Received: state={state!r}")
    leaves = [ops.convert_to_tensor(leaf) for leaf in leaves]
    shapes = [tuple(leaf.shape) for leaf in leaves]
    if () in shapes:
        raise ValueError(
            "Expected every tensor of `state` to have a leading batch dimension. "
            f"Received: state of shapes {shapes}"
        )
    return leaves
