"""The `inputs` and `mask` arguments of query/value layers, in all accepted forms."""

from typing import Any

import keras

from keras_attention.batch_axes import broadcast_batch
from keras_attention.layers.call_arguments.sequence_masks import (
    prepare_masks,
    prepare_single_mask,
)
from keras_attention.tensors import ONE_VECTOR, keras_mask
from keras_attention.types import Nest, Tensor

INPUT_FORMS = "a tensor, [query, value] or [query, value, key]"


def prepare_inputs(inputs: Any, mask: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Return `(query, value, key, query_mask, key_mask)` of a call, with batch axes broadcast.

    Args:
        inputs: The layer's `inputs` argument.
        mask: As in `split_masks`.

    Raises:
        ValueError: If `split_inputs` rejects the inputs, or `split_masks` rejects the masks.
    """
    return _broadcast_batch_axes(*split_inputs(inputs), *split_masks(mask, inputs))


def split_inputs(inputs):
    """Return `(query, value, key)` for one tensor, `[query, value]` or `[query, value, key]`.

    Args:
        inputs: The layer's `inputs` argument. Tensors may be symbolic.

    Raises:
        ValueError: If `inputs` has another form, or the shapes do not fit together.
    """
    if not isinstance(inputs, (list, tuple)):
        inputs = [inputs, inputs]
    if len(inputs) not in (2, 3):
        raise ValueError(f"Expected `inputs` to be {INPUT_FORMS}. Received: {len(inputs)} inputs")
    if not all(hasattr(x, "shape") for x in inputs):
        raise ValueError(f"Expected `inputs` to be {INPUT_FORMS}. Received: inputs={inputs!r}")
    query, value, key = (*inputs, inputs[1])[:3]  # the key defaults to the value
    check_shapes(query.shape, value.shape, key.shape)
    return query, value, key


def check_shapes(query, value, key):
    """Raise a ValueError if the shapes of query, value and key do not fit together."""
    received = f"Received: query {tuple(query)}, value {tuple(value)}, key {tuple(key)}"
    if len(value) < 3:
        raise ValueError(
            "Expected `inputs` (batch, T, D), or [query, value] with a value (batch, Tk, Dv). "
            f"{ONE_VECTOR} {received}"
        )
    if len(key) != len(value):
        raise ValueError(
            "Expected value and key of the same rank and of shape (batch, ..., keys, width). "
            f"{received}"
        )
    if len(query) not in (len(value), len(value) - 1):
        raise ValueError(
            "Expected a query (batch, ..., queries, width) with the rank of the value, or a single "
            f"query (batch, ..., width) with one axis less. {received}"
        )
    outer = [query[: len(value) - 2], value[:-2], key[:-2]]
    for sizes in zip(*outer, strict=True):
        if len(set(sizes) - {None, 1}) > 1:
            raise ValueError(
                "Expected the same batch in query, value and key; a batch of 1 is broadcast. "
                f"{received}"
            )
    if None not in (key[-2], value[-2]) and key[-2] != value[-2]:
        raise ValueError(f"Expected as many keys as values. {received}")
    if None in (query[-1], value[-1], key[-1]):
        raise ValueError(f"Expected a known last dimension, not None. {received}")


def split_masks(mask, inputs):
    """Return `(query_mask, key_mask)` from the `mask` argument or from the inputs' Keras masks.

    Args:
        mask: None; one mask, if `inputs` is one tensor; or a list or tuple `[query_mask,
            value_mask]` or `[query_mask, value_mask, key_mask]`, whose entries may be None.
        inputs: The layer's `inputs` argument.

    Returns:
        Two bool tensors, each of which may be None. If there are both a value mask and a key mask,
        the returned key mask is their logical AND.

    Raises:
        ValueError: If the mask does not match the inputs.
    """
    # Keras passes the inputs' masks as `mask` only if no other argument of the call is a tensor.
    if not isinstance(inputs, (list, tuple)):
        mask = keras_mask(inputs) if mask is None else mask
        mask = None if mask is None else prepare_single_mask(mask, inputs)
        return mask, mask
    mask = [keras_mask(x) for x in inputs] if mask is None else mask
    if isinstance(mask, (list, tuple)) and len(mask) in (2, 3) and all(m is None for m in mask):
        return None, None
    return prepare_masks(mask, inputs)


def compute_query_mask(layer: Any, inputs: Nest, mask: Nest = None) -> Tensor | None:
    """Return the query's mask; this is `compute_mask` of the layers with one output per query."""
    query_mask, _ = split_masks(mask, inputs)
    if query_mask is None or not isinstance(inputs, (list, tuple)):
        return query_mask
    is_symbolic = any(isinstance(x, keras.KerasTensor) for x in (*inputs, query_mask))
    if is_symbolic and any(None in x.shape for x in (*inputs, query_mask)):
        return query_mask  # a symbolic mask cannot be broadcast to an unknown size
    return _broadcast_batch_axes(*split_inputs(inputs), query_mask)[3]


def _broadcast_batch_axes(query, value, key, query_mask=None, key_mask=None):
    """Broadcast the batch axes, unless they are known to be equal."""
    shapes = {tuple(x.shape[: len(value.shape) - 2]) for x in (query, value, key)}
    is_known_equal = len(shapes) == 1 and (query is value is key or None not in [*shapes][0])
    if is_known_equal:
        return query, value, key, query_mask, key_mask
    return broadcast_batch(query, value, key, query_mask, key_mask)
