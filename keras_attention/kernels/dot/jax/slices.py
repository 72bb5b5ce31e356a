"""Slices of arrays on JAX: pad, cut out, add to, and merge."""

from jax import lax
from jax import numpy as jnp


def pad(x, margins):
    """Pad with zeros by the `(front, back)` of each axis in `margins`; None stays None."""
    return None if x is None else jnp.pad(x, [margins.get(axis, (0, 0)) for axis in range(x.ndim)])


def merge_segments(parts):
    """Merge the segments' `(blocks, heads, rows, width)`: `(heads, blocks * rows, width)`."""
    x = jnp.concatenate(parts, axis=0).swapaxes(0, 1)
    return x.reshape(x.shape[0], -1, x.shape[-1])


def slice_at(x, corner, size):
    """Slice x at a corner; axes of size 1 are not sliced."""
    axes = [(0, 1) if n == 1 else (at, s) for n, at, s in zip(x.shape, corner, size, strict=True)]
    return lax.dynamic_slice(x, *zip(*axes, strict=True))


def add_at(x, part, corner):
    """Add to x at a corner, summed along the axes where x has size 1; None stays None."""
    if x is None:
        return None
    for axis, (size, part_size) in enumerate(zip(x.shape, part.shape, strict=True)):
        if size == 1 < part_size:
            part = jnp.sum(part, axis=axis, keepdims=True)
    corner = [0 if n == 1 else at for n, at in zip(x.shape, corner, strict=True)]
    return lax.dynamic_update_slice(x, slice_at(x, corner, part.shape) + part, corner)
