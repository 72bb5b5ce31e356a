"""Masks of sequences, with one entry per step: explicit masks, and the inputs' Keras masks."""

import keras
from keras import ops, tree

from keras_attention.batch_axes import join_batch
from keras_attention.mask.bool_mask import check_mask, to_bool_mask, to_mask_tensor
from keras_attention.tensors import keras_mask

KERAS_MASK_HINT = (
    ". This is the Keras mask of an earlier layer (Embedding, Masking), which a layer in between "
    "(TimeDistributed, or one that changes the length) passed on unchanged. Pass a mask of the "
    "right shape explicitly"
)


def prepare_mask(name, mask, x, ndim=None, query=None):
    """Check the mask of a sequence and return it as a bool tensor.

    Args:
        name: Name of the argument, for errors.
        mask: Bool, or 0 and 1; None returns None.
        x: The sequence `(batch, ..., T, D)`, or one vector per sample, `(batch, ..., D)`.
        ndim: Expected rank of the mask, whose shape is that of the first axes of `x`; None = all
            axes but the last.
        query: The queries, if a mask of query-key pairs `(batch, ..., Tq, T)` is allowed too.

    Raises:
        ValueError: If the mask does not have exactly the shape of the sequence, or if its dtype or
            its values are not those of a mask.
    """
    if mask is None:
        return None
    original_mask, mask = mask, to_mask_tensor(name, mask)
    if query is not None and len(mask.shape) == len(x.shape):
        batch = join_batch(*(tensor.shape[: len(x.shape) - 2] for tensor in (query, x)))
        queries = query.shape[-2] if len(query.shape) == len(x.shape) else 1
        check_mask(name, mask, (*batch, queries, x.shape[-2]), exact_rank=False)
        return to_bool_mask(name, mask)
    ndim = len(x.shape) - 1 if ndim is None else ndim
    try:
        check_mask(name, mask, x.shape[:ndim])
    except ValueError as error:
        hint = KERAS_MASK_HINT if original_mask is keras_mask(x) else ""
        raise ValueError(f"{error}{hint}") from None
    return _match_length(to_bool_mask(name, mask), x, ndim)


def prepare_sequence_mask(name, mask, x):
    """Apply `prepare_mask` to an explicit mask, or, if that is None, to the Keras mask of `x`."""
    return prepare_mask(name, keras_mask(x) if mask is None else mask, x)


def prepare_single_mask(mask, x):
    """Check the `mask` of a call with one input and return it as a bool tensor.

    Args:
        mask: The layer's `mask` argument, or the Keras mask of `x`; not None.
        x: The input `(batch, ..., T, D)`.

    Raises:
        ValueError: If it is a list of masks, or `prepare_mask` rejects it.
    """
    if _is_list_of_masks(mask):
        raise ValueError(
            "Expected `mask` to be one tensor for one input. "
            f"Received: a {type(mask).__name__} of {len(mask)}"
        )
    if len(getattr(mask, "shape", ())) == len(x.shape) and mask is not keras_mask(x):
        raise ValueError(
            "Expected `mask` of shape (batch, T) for one input. To pass a query and a value, "
            "pass one list, `layer([query, value])` or `layer([query, value, key])`, not "
            f"`layer(query, value)`. Received: mask of shape {tuple(mask.shape)}"
        )
    return prepare_mask("mask", mask, x)


def prepare_masks(mask, inputs):
    """Return `(query_mask, key_mask)` of a call with a list of inputs; see `split_masks`."""
    if not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3):
        raise ValueError(
            "Expected `mask` to be a list [query_mask, value_mask] or [query_mask, value_mask, "
            f"key_mask] for a list of inputs. Received: mask={mask!r}"
        )
    query, value, key = (*inputs, inputs[1])[:3]  # the key defaults to the value
    query_mask, value_mask, key_mask = (*mask, None)[:3]
    query_mask = prepare_mask("query_mask", query_mask, query)
    value_mask = prepare_mask("value_mask", value_mask, value, query=query)
    key_mask = prepare_mask("key_mask", key_mask, key, query=query)
    if value_mask is None or key_mask is None:
        return query_mask, key_mask if value_mask is None else value_mask
    # If only one of the masks has an axis of queries, the other gets one too.
    rank = max(len(value_mask.shape), len(key_mask.shape))
    value_mask, key_mask = (
        m if len(m.shape) == rank else ops.expand_dims(m, -2) for m in (value_mask, key_mask)
    )
    return query_mask, ops.logical_and(value_mask, key_mask)


def _is_list_of_masks(mask):
    """Return True for a list of tensors, and False for one mask written as nested lists."""
    return isinstance(mask, (list, tuple)) and any(
        m is None or hasattr(m, "shape") for m in tree.flatten(mask)
    )


def _match_length(mask, x, ndim):
    """Return the mask; if a static length is unknown, check at run time that `x` has the same one.

    Without the check, later operations would broadcast a mask of length 1. The reshape fails if the
    lengths differ.
    """
    lengths = mask.shape[-1], x.shape[ndim - 1]
    is_symbolic = any(isinstance(tensor, keras.KerasTensor) for tensor in (mask, x))
    if is_symbolic or None not in lengths:
        return mask
    return ops.reshape(mask, (*ops.shape(mask)[:-1], ops.shape(x)[ndim - 1]))
