"""Check the masks of a call and combine them: padding, `attention_mask`, causal."""

from keras import ops

from keras_attention.mask import combine
from keras_attention.mask.bool_mask import to_bool_mask
from keras_attention.mask.structured_mask import StructuredMask


def build_structured_mask(
    query, key, query_mask=None, key_mask=None, attention_mask=None, use_causal_mask=False
):
    """Return the masks of a query/value layer's call as a `StructuredMask`.

    Args:
        query: `(batch, ..., Tq, Dq)`, or one rank less than the key for a single query.
        key: `(batch, ..., Tk, Dk)`.
        query_mask: Bool `(batch, ..., Tq)`, `(batch, ...)` for a single query, or None; with the
            key mask, what `split_masks` returned.
        key_mask: Bool `(batch, ..., Tk)`, a mask of all pairs `(batch, ..., Tq, Tk)`, or None.
        attention_mask: Bool, broadcastable to `(batch, ..., Tq, Tk)` (to `(batch, ..., Tk)` for a
            single query), or None.
        use_causal_mask: Whether to add a causal mask, aligned to the lower right.

    Returns:
        A `StructuredMask`.

    Raises:
        ValueError: If the attention mask is not a mask, or its shape does not fit query and key.
    """
    is_single = len(query.shape) == len(key.shape) - 1
    is_pairs = key_mask is not None and len(key_mask.shape) == len(key.shape)
    if attention_mask is not None:
        attention_mask = to_bool_mask("attention_mask", attention_mask)
        check_mask("attention_mask", attention_mask, pair_shape(query, key), exact_rank=False)
        if is_single or len(attention_mask.shape) == 1:
            attention_mask = ops.expand_dims(attention_mask, -2)
    if is_single:
        query_mask = None if query_mask is None else ops.expand_dims(query_mask, -1)
    queries = 1 if is_single else ops.shape(query)[-2]
    return StructuredMask(
        queries,
        ops.shape(key)[-2],
        query_mask,
        None if is_pairs else key_mask,
        combine(key_mask, attention_mask) if is_pairs else attention_mask,
        use_causal_mask,
    )


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
