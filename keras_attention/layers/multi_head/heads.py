"""Heads as an axis of their own: split, merged, and gathered into groups that share their keys."""

from keras import ops


def split_heads(x, heads):
    """`(batch, ..., T, heads * width)` -> `(batch, ..., heads, T, width)`."""
    *outer, width = ops.shape(x)
    return ops.swapaxes(ops.reshape(x, (*outer, heads, width // heads)), -2, -3)


def merge_heads(x):
    """`(batch, ..., heads, T, width)` -> `(batch, ..., T, heads * width)`."""
    *outer, heads, steps, width = ops.shape(x)
    return ops.reshape(ops.swapaxes(x, -2, -3), (*outer, steps, heads * width))


def regroup(x, groups):
    """`(batch, ..., heads, T, any)` -> `(batch, ..., groups, heads * T / groups, any)`.

    Heads that share a group's keys ask them one after the other, as if they were more queries of
    one head: so shared keys and values need no copies. The same call leads back.
    """
    *outer, heads, _, width = ops.shape(x)
    return x if heads == groups else ops.reshape(x, (*outer, groups, -1, width))
