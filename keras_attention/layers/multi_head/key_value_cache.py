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


def checked_cache(cache, batch, heads, key_dim, value_dim):
    """The `KeyValueCache` that `cache`, or the list that saving made of it, is.

    Args:
        cache: What a layer was called with.
        batch, heads, key_dim, value_dim: The sizes that it should have; None = any.

    Raises:
        ValueError: If it is no cache, or one of another layer or batch.
    """
    is_four = isinstance(cache, (list, tuple)) and len(cache) == 4
    if not is_four or not all(hasattr(x, "shape") for x in cache):
        size = f" of {len(cache)}" if isinstance(cache, (list, tuple)) else ""
        raise ValueError(
            "Expected `cache` to be a KeyValueCache (keys, values, mask, position). "
            f"Received: a {type(cache).__name__}{size}"
        )
    cache = KeyValueCache(*cache)
    length = cache.keys.shape[2] if len(cache.keys.shape) == 4 else None
    expected = KeyValueCache(
        (batch, heads, length, key_dim),
        (batch, heads, length, value_dim),
        (batch, length),
        (batch,),
    )
    for name, part, wanted in zip(cache._fields, cache, expected, strict=True):
        shape = tuple(part.shape)
        sizes = zip(shape, wanted, strict=False)
        if len(shape) != len(wanted) or any(s != w for s, w in sizes if None not in (s, w)):
            raise ValueError(
                f"Expected `cache.{name}` of shape {wanted}. "
                f"Received: cache.{name} of shape {shape}"
            )
    return cache


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
