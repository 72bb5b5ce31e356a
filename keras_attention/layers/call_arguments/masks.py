"""Check the masks of a call and combine them: padding, `attention_mask`, causal."""

from keras import ops

from keras_attention.mask import combine
from keras_attention.mask.structured_mask import StructuredMask


def pair_mask(
    query, key, query_mask=None, key_mask=None, attention_mask=None, use_causal_mask=False
):
    """Combine the masks of a query/value layer's call by AND into a dense mask.

    Args:
        query: `(batch, ..., Tq, Dq)`, or one rank less than the key for a single query.
        key: `(batch, ..., Tk, Dk)`.
        query_mask: Bool `(batch, ..., Tq)`, `(batch, ...)` for a single query, or None.
        key_mask: Bool `(batch, ..., Tk)`, a mask of all pairs `(batch, ..., Tq, Tk)`, or None.
        attention_mask: Bool, broadcastable to `(batch, ..., Tq, Tk)` (to `(batch, ..., Tk)` for a
            single query), or None.
        use_causal_mask: Whether to add a causal mask, aligned to the lower right.

    Returns:
        Bool, broadcastable to `(batch, ..., Tq, Tk)`, or None.
    """
    return build_structured_mask(
        query, key, query_mask, key_mask, attention_mask, use_causal_mask
    ).dense()


def build_structured_mask(
    query, key, query_mask=None, key_mask=None, attention_mask=None, use_causal_mask=False
):
    """Check the masks of a query/value layer's call and return them as a `StructuredMask`.

    Args:
        query: `(batch, ..., Tq, Dq)`, or one rank less than the key for a single query.
        key: `(batch, ..., Tk, Dk)`.
        query_mask: Bool `(batch, ..., Tq)`, `(batch, ...)` for a single query, or None.
        key_mask: Bool `(batch, ..., Tk)`, a mask of all pairs `(batch, ..., Tq, Tk)`, or None.
        attention_mask: Bool, broadcastable to `(batch, ..., Tq, Tk)` (to `(batch, ..., Tk)` for a
            single query), or None.
        use_causal_mask: Whether to add a causal mask, aligned to the lower right.

    Returns:
        A `StructuredMask`.

    Raises:
        ValueError: If a mask's shape does not fit query and key.
    """
    is_single = len(query.shape) == len(key.shape) - 1
    is_pairs = key_mask is not None and len(key_mask.shape) == len(key.shape)
    check_mask("query_mask", query_mask, query.shape[:-1])
    if is_pairs:
        check_mask("value_mask", key_mask, (*key.shape[:-2], None, key.shape[-2]))
    else:
        check_mask("value_mask", key_mask, key.shape[:-1])
    if attention_mask is not None:
        attention_mask = ops.cast(attention_mask, "bool")
        pairs = (*query.shape[:-1], key.shape[-2])
        check_mask("attention_mask", attention_mask, pairs, exact_rank=False)
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


def check_mask(name, mask, expected, exact_rank=True):
    """Raise a ValueError if a mask does not have the `expected` shape.

    Without `exact_rank` it may have fewer axes. A size of 1 is always allowed, to be broadcast.
    """
    if mask is None:
        return
    shape = tuple(mask.shape)
    has_valid_rank = len(shape) == len(expected) if exact_rank else 0 < len(shape) <= len(expected)
    sizes = zip(reversed(shape), reversed(tuple(expected)), strict=False)
    if not has_valid_rank or any(None not in (m, e) and m not in (1, e) for m, e in sizes):
        relation = "of" if exact_rank else "broadcastable to"
        raise ValueError(
            f"Expected `{name}` {relation} shape {tuple(expected)}. "
            f"Received: {name} of shape {shape}"
        )
