"""The key/value cache: projected keys and values of earlier tokens, for step-by-step decoding."""

import collections

from keras import ops

KeyValueCache = collections.namedtuple("KeyValueCache", ["keys", "values", "mask", "position"])
KeyValueCache.__doc__ = """The state that a `MultiHeadSelfAttention` passes from step to step.

    Every tensor has the batch axis first, so that a beam search can gather rows. Masked tokens are
    not written: slot i of a row holds the row's real token i.

    keys: Float `(batch, key_value_heads, max_length, key_dim)`, projected (and rotated).
    values: Float `(batch, key_value_heads, max_length, value_dim)`, projected.
    mask: Bool `(batch, max_length)`, True = the slot holds a real token.
    position: Int32 `(batch,)`, the number of real tokens so far.
"""


def create_empty_cache(batch_size, heads, max_length, key_dim, value_dim, dtype):
    """Return a `KeyValueCache` before the first token."""
    slots = (batch_size, heads, max_length)
    return KeyValueCache(
        ops.zeros((*slots, key_dim), dtype),
        ops.zeros((*slots, value_dim), dtype),
        ops.zeros((batch_size, max_length), "bool"),
        ops.zeros((batch_size,), "int32"),
    )


def check_cache(cache, inputs, heads, key_dim, value_dim):
    """Check the cache of a call and return it as a `KeyValueCache`; a saved model passes a list.

    Args:
        cache: The `cache` argument of a call.
        inputs: The `inputs` argument of the call.
        heads: Expected number of heads; None = any.
        key_dim: Expected width of a key; None = any.
        value_dim: Expected width of a value; None = any.

    Raises:
        ValueError: If it is not a cache, if its sizes do not fit the layer or the batch, or if the
            inputs are not one sequence.
    """
    if isinstance(inputs, (list, tuple)):
        raise ValueError(
            "Expected `inputs` to be one tensor if `cache` is passed. "
            f"Received: {len(inputs)} inputs"
        )
    if len(inputs.shape) != 3:
        raise ValueError(
            "Expected `inputs` (batch, T, width) if `cache` is passed. "
            f"Received: inputs {tuple(inputs.shape)}"
        )
    has_four_parts = isinstance(cache, (list, tuple)) and len(cache) == 4
    if not has_four_parts or not all(hasattr(x, "shape") for x in cache):
        size = f" of {len(cache)}" if isinstance(cache, (list, tuple)) else ""
        raise ValueError(
            "Expected `cache` to be a KeyValueCache (keys, values, mask, position). "
            f"Received: a {type(cache).__name__}{size}"
        )
    cache = KeyValueCache(*cache)
    length = cache.keys.shape[2] if len(cache.keys.shape) == 4 else None
    batch = inputs.shape[0]
    expected_shapes = KeyValueCache(
        (batch, heads, length, key_dim),
        (batch, heads, length, value_dim),
        (batch, length),
        (batch,),
    )
    for name, part, expected in zip(cache._fields, cache, expected_shapes, strict=True):
        shape = tuple(part.shape)
        sizes = zip(shape, expected, strict=False)
        if len(shape) != len(expected) or any(s != e for s, e in sizes if None not in (s, e)):
            raise ValueError(
                f"Expected `cache.{name}` of shape {expected}. "
                f"Received: cache.{name} of shape {shape}"
            )
    return cache


def token_positions(cache, tokens, mask=None):
    """Return the position of each new token in its row, counted in real tokens: int32 `(batch, T)`.

    Args:
        cache: A `KeyValueCache`.
        tokens: T, an int or a scalar tensor.
        mask: Bool `(batch, T)`, True = a real token; None = all are real.
    """
    if mask is None:
        return cache.position[:, None] + ops.arange(tokens, dtype="int32")
    is_real = ops.cast(mask, "int32")
    return cache.position[:, None] + ops.cumsum(is_real, axis=1) - is_real


def extend_cache(cache, keys, values, mask=None):
    """Append each row's new real tokens to its earlier ones; drop tokens beyond the last slot.

    Args:
        cache: A `KeyValueCache`.
        keys: `(batch, key_value_heads, T, key_dim)`.
        values: `(batch, key_value_heads, T, value_dim)`.
        mask: Bool `(batch, T)`, True = a real token; None = all are real.

    Returns:
        The next `KeyValueCache`.

    Raises:
        ValueError: If it is known statically that the new tokens outnumber the cache's slots.
    """
    max_length, tokens = cache.keys.shape[-2], keys.shape[-2]
    if None not in (max_length, tokens) and tokens > max_length:
        raise ValueError(
            f"Expected at most max_length={max_length} tokens for this cache. "
            f"Received: {tokens} tokens"
        )
    # Gather instead of scatter: find, for each slot, the new token written there, if any.
    slots = ops.arange(ops.shape(cache.keys)[-2], dtype="int32")
    index, is_new = _find_new_tokens(cache, slots, ops.shape(keys)[-2], mask)

    def write(old, new):
        new = ops.cast(new, old.dtype)
        if tokens != 1:  # a single token needs no gather: `where` broadcasts it
            new = ops.take_along_axis(new, index[:, None, :, None], axis=2)
        return ops.where(is_new[:, None, :, None], new, old)

    count = ops.shape(keys)[-2] if mask is None else ops.sum(ops.cast(mask, "int32"), axis=1)
    return KeyValueCache(
        write(cache.keys, keys),
        write(cache.values, values),
        ops.logical_or(cache.mask, is_new),
        cache.position + count,
    )


def _find_new_tokens(cache, slots, tokens, mask):
    """Return for each slot the index of the new token to write there, and whether there is one.

    Both are `(batch, slots)`. The index is arbitrary, but valid, where there is no new token.
    """
    if mask is None:
        index = slots - cache.position[:, None]
        is_new = ops.logical_and(index >= 0, index < tokens)
        return ops.clip(index, 0, tokens - 1), is_new
    positions = ops.expand_dims(token_positions(cache, tokens, mask), 1)
    is_written = ops.logical_and(positions == slots[:, None], ops.expand_dims(mask, 1))
    # At most one token is written to a slot, so the sum of the masked indices is its index.
    # `argmax` is avoided, because other runtimes do not support TensorFlow's operation for it.
    index = ops.where(is_written, ops.arange(tokens, dtype="int32"), 0)
    return ops.sum(index, axis=-1), ops.any(is_written, axis=-1)
