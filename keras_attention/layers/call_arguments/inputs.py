"""The `inputs` and `mask` arguments of query/value layers, in all accepted forms."""

from typing import Any

import keras
from keras import ops, tree

from keras_attention.batch_axes import broadcast_batch, join_batch
from keras_attention.layers.call_arguments.sequence_masks import (
    keras_mask,
    prepare_mask,
    prepare_sequence_mask,
)
from keras_attention.layers.call_arguments.tensors import ONE_VECTOR
from keras_attention.types import Nest, Tensor

NAMES = "a tensor, [query, value] or [query, value, key]"


def split_inputs(inputs):
    """Return `(query, value, key)` for one tensor, `[query, value]` or `[query, value, key]`.

    Args:
        inputs: The layer's `inputs` argument. Tensors may be symbolic.

    Raises:
        ValueError: If `inputs` is none of these, or the shapes do not fit together.
    """
    if not isinstance(inputs, (list, tuple)):
        inputs = [inputs, inputs]
    if len(inputs) not in (2, 3):
        raise ValueError(f"Expected `inputs` to be {NAMES}. Received: {len(inputs)} inputs")
    if not all(hasattr(x, "shape") for x in inputs):
        raise ValueError(f"Expected `inputs` to be {NAMES}. Received: inputs={inputs!r}")
    query, value, key = (*inputs, inputs[1])[:3]
    check_shapes(query.shape, value.shape, key.shape)
    return query, value, key


def split_shapes(input_shape):
    """Return the shapes of query, value and key for the shape or shapes passed to `build`."""
    if not isinstance(input_shape, (list, tuple)) or not input_shape:
        raise ValueError(f"Expected `inputs` to be {NAMES}. Received: shapes {input_shape}")
    if not isinstance(input_shape[0], (list, tuple)):
        input_shape = [input_shape, input_shape]
    if len(input_shape) not in (2, 3) or None in input_shape:
        raise ValueError(f"Expected `inputs` to be {NAMES}. Received: shapes {input_shape}")
    return [tuple(shape) for shape in (*input_shape, input_shape[1])[:3]]


def check_shapes(query, value, key):
    """Raise a ValueError if the shapes of query, value and key do not fit together."""
    received = f"Received: query {tuple(query)}, value {tuple(value)}, key {tuple(key)}"
    if len(value) < 3:
        raise ValueError(
            f"Expected `inputs` (batch, T, D), or a value (batch, Tk, Dv). {ONE_VECTOR} {received}"
        )
    if len(key) != len(value):
        raise ValueError(
            "Expected value and key of the same rank and of shape (batch, ..., keys, width). "
            f"{received}"
        )
    if len(query) not in (len(value), len(value) - 1):
        raise ValueError(
            "Expected a query (batch, ..., queries, width) of the value's rank, or one rank less "
            f"for a single query. {received}"
        )
    outer = [query[: len(value) - 2], value[:-2], key[:-2]]
    for sizes in zip(*outer, strict=True):
        if len(set(sizes) - {None, 1}) > 1:
            raise ValueError(
                "Expected the same batch in query, value and key, or 1, which is broadcast. "
                f"{received}"
            )
    if None not in (key[-2], value[-2]) and key[-2] != value[-2]:
        raise ValueError(f"Expected as many keys as values. {received}")
    if None in (query[-1], value[-1], key[-1]):
        raise ValueError(f"Expected a known last dimension, not None. {received}")


def broadcast_query_shape(query, value, key):
    """Return the query's shape with the batch axes that a call broadcasts the inputs to."""
    check_shapes(query, value, key)
    axes = len(value) - 2
    batch = join_batch(*(tuple(shape)[:axes] for shape in (query, value, key)))
    return (*batch, *query[axes:])


def split_masks(mask, inputs):
    """Return `(query_mask, key_mask)` from the `mask` argument or from the inputs' Keras masks.

    Args:
        mask: None, one mask where `inputs` is one tensor, or a list or tuple `[query_mask,
            value_mask]` or `[query_mask, value_mask, key_mask]` whose entries may be None.
        inputs: The layer's `inputs` argument.

    Returns:
        Two tensors, each bool or None; a value mask and a key mask are combined by AND.

    Raises:
        ValueError: If the mask does not match the inputs.
    """
    # Keras does not fill in `mask` if another argument of the call is a tensor as well.
    if not isinstance(inputs, (list, tuple)):
        if _is_list_of_masks(mask):
            raise ValueError(
                "Expected `mask` to be one tensor for one input. "
                f"Received: a {type(mask).__name__} of {len(mask)}"
            )
        if len(getattr(mask, "shape", ())) == len(inputs.shape) and mask is not keras_mask(inputs):
            raise ValueError(
                "Expected `mask` of shape (batch, T) for one input. To pass a query and a value, "
                "pass one list, `layer([query, value])` or `layer([query, value, key])`, not "
                f"`layer(query, value)`. Received: mask of shape {tuple(mask.shape)}"
            )
        mask = prepare_sequence_mask("mask", mask, inputs)
        return mask, mask
    if mask is None:
        mask = [keras_mask(x) for x in inputs]
    if not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3):
        raise ValueError(
            "Expected `mask` to be a list [query_mask, value_mask] or [query_mask, value_mask, "
            f"key_mask] for a list of inputs. Received: mask={mask!r}"
        )
    if all(m is None for m in mask):
        return None, None
    query, value, key = (*inputs, inputs[1])[:3]
    query_mask, value_mask, key_mask = (*mask, None)[:3]
    query_mask = prepare_mask("query_mask", query_mask, query)
    value_mask = prepare_mask("value_mask", value_mask, value, query=query)
    key_mask = prepare_mask("key_mask", key_mask, key, query=query)
    if value_mask is None or key_mask is None:
        return query_mask, key_mask if value_mask is None else value_mask
    # One of the two may be a mask of all pairs, with an axis of queries.
    rank = max(len(value_mask.shape), len(key_mask.shape))
    value_mask, key_mask = (
        m if len(m.shape) == rank else ops.expand_dims(m, -2) for m in (value_mask, key_mask)
    )
    return query_mask, ops.logical_and(value_mask, key_mask)


def _is_list_of_masks(mask):
    """Return True for a list of tensors, and False for one mask as nested lists of bools."""
    return isinstance(mask, (list, tuple)) and any(
        m is None or hasattr(m, "shape") for m in tree.flatten(mask)
    )


def compute_query_mask(layer: Any, inputs: Nest, mask: Nest = None) -> Tensor | None:
    """Return the query's mask: the `compute_mask` of layers with one output per query."""
    query_mask, _ = split_masks(mask, inputs)
    if query_mask is None or not isinstance(inputs, (list, tuple)):
        return query_mask
    is_symbolic = any(isinstance(x, keras.KerasTensor) for x in (*inputs, query_mask))
    if is_symbolic and any(None in x.shape for x in (*inputs, query_mask)):
        return query_mask  # an unknown size has no symbol
    return broadcast_batch(*split_inputs(inputs), query_mask)[3]
