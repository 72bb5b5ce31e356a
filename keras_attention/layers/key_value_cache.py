"""What self-attention has read so far: projected keys and values, written step by step."""

import collections

from keras import ops

KeyValueCache = collections.namedtuple("KeyValueCache", ["keys", "values", "mask", "position"])
KeyValueCache.__doc__ = """What a `MultiHeadSelfAttention` remembers from step to step.

    keys: `(batch, key_value_heads, max_length, key_dim)`, projected (and rotated); values:
    `(batch, key_value_heads, max_length, value_dim)`, projected; both float32 at least. mask: bool
    `(batch, max_length)`, True = a real token stands there. position: int32 `(batch,)`, how many
    tokens were written. Every tensor has the batch in front, so that a beam search can gather rows.
"""


def empty_cache(batch_size, heads, max_length, key_dim, value_dim, dtype):
    """A `KeyValueCache` before the first token."""
    slots = (batch_size, heads, max_length)
    return KeyValueCache(
        ops.zeros((*slots, key_dim), dtype),
        ops.zeros((*slots, value_dim), dtype),
        ops.zeros((batch_size, max_length), "bool"),
        ops.zeros((batch_size,), "int32"),
    )


def extend(cache, keys, values, mask):
    """Writes new tokens behind those that each row has; what goes beyond the end is dropped.

    Args:
        cache: A `KeyValueCache`.
        keys: `(batch, key_value_heads, T, key_dim)`.
        values: `(batch, key_value_heads, T, value_dim)`.
        mask: Bool `(batch, T)`, True = a real token.

    Returns:
        The next `KeyValueCache`.

    Raises:
        ValueError: If the new tokens are known to be more than the cache has places.
    """
    max_length, tokens = cache.keys.shape[-2], keys.shape[-2]
    if None not in (max_length, tokens) and tokens > max_length:
        raise ValueError(
            f"Expected at most max_length={max_length} tokens for this cache. "
            f"Received: {tokens} tokens"
        )
    count = ops.shape(keys)[-2]
    # Not a scatter: which new token, if any, comes to stand in each place?
    index = ops.arange(ops.shape(cache.keys)[-2], dtype="int32") - cache.position[:, None]
    is_new = ops.logical_and(index >= 0, index < count)
    index = ops.clip(index, 0, count - 1)

    def written(old, new):
        of_each = index[:, None, :, None]
        new = ops.take_along_axis(ops.cast(new, old.dtype), of_each, axis=2)
        return ops.where(is_new[:, None, :, None], new, old)

    return KeyValueCache(
        written(cache.keys, keys),
        written(cache.values, values),
        ops.where(is_new, ops.take_along_axis(mask, index, axis=1), cache.mask),
        cache.position + count,
    )
